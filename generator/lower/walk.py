"""One scope read from top to bottom: the network's layers, or a block's for one use.

What a layer is may depend on what it reads (``when: $(in_channels > 64)``), so shapes are computed
here as the graph grows, by the rules of the catalogue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ..diagnostics.diagnostics import SpecPath, Unknowable
from ..ir.graph import Node, Ref
from ..ir.needs import Need
from ..layers.tensor import TensorType
from ..spec.spec import PARAMETRIZE, Item, item_places, read_item
from ..symbolic.sizes import Size, exact, symbols_in
from . import keys
from .application import apply_layer
from .arguments import listed, read_layer, respelt, widened
from .blocks import Body, call_of, enter, graph_of, holds_weights, read_body
from .item_types import typed
from .naming import Names, written_names
from .reader import Reader
from .recovery import recovering
from .scope import LayerNames

if TYPE_CHECKING:
    from ..spec.block_spec import BlockSpec


class Walk(Reader):
    """Reads the items of one scope and passes each to the handler of its kind."""

    def items(self, items: Any, path: SpecPath, index: Size | None) -> None:
        """Read a list of layers."""
        if not isinstance(items, list) or not items:
            self.context.error("NG201", "`layers` should be a list of one layer or more", path)
        types = self.context.known.rows
        for place in item_places(items):
            raw = items[place]
            with recovering(self, raw, (*path, place)):
                item = read_item(raw, self.context.source, (*path, place), types)
                self.item(item, index)

    def whole(self, layers: Any, path: SpecPath, *, sequential: bool) -> None:
        """Read all layers of the scope, which is a single `nn.Sequential` if it is `sequential`."""
        if not sequential:
            self.items(layers, path, None)
            return
        item = Item("Sequential", None, {}, path)
        call = self.sequential(item, self.current, "", lambda: self.items(layers, path, None))
        self.current = (self.scope.add(call),)

    def item(self, item: Item, index: Size | None) -> None:
        """Read one item: decide whether it is present, and how often."""
        self.context.count(1, item.path)
        item = typed(self, item, index)
        item = listed(respelt(self.context, item), self.context.row(item.type))
        if self.frame.lost:
            raise Unknowable
        if PARAMETRIZE in item.common:
            from .parametrizations import check_type  # few specs have any

            check_type(self.context, item)
        if item.type == "Group":
            for key in ("name", "from"):
                if key in item.common:
                    message = f"a `Group` only groups: it has no `{key}`"
                    self.context.error("NG210", message, item.at(key), key=True)
        if "carry" in item.common or "collect" in item.common:
            keys.check_loop(self.context, item, chained=self.chain is not None)
        if isinstance(item.written, dict):
            keys.mention_tensors(self.scope, item, item.written)
        reads = self.reads(item, index, fixes=False)
        if "from" in item.common and symbols_in(written := keys.source(self.scope, item, index)):
            from .alternatives import choosing

            with choosing(self, item, written, reads):
                self.present_or_absent(item, reads, index)
        else:
            self.present_or_absent(item, reads, index)

    def present_or_absent(self, item: Item, reads: tuple[Ref, ...], index: Size | None) -> None:
        """Read an item as its `when` says: present, absent, or under a condition."""
        names = LayerNames(self.scope, self.first_type(reads), index)
        item = keys.passing(self.scope, item, reads, index, chained=self.chain is not None)
        item = keys.name_outputs(self.scope, item, names, chained=self.chain is not None)
        condition = keys.condition(self.scope, item, names)
        if item.carries or item.collects:
            from .repeats import over_several

            over_several(self, item, condition, reads, names)
            return
        if item.passes is not None and condition and not symbols_in(condition):
            condition = keys.are_there(self.scope, item, names)
        varies = bool(symbols_in(condition))
        if condition and not varies:
            self.present(item, reads, names, index)
            return
        from .conditions import conditional, pass_through

        if varies:
            conditional(self, item, condition, reads, names, index)
        else:
            pass_through(self, item, reads, names)

    def present(
        self, item: Item, reads: tuple[Ref, ...], names: LayerNames, index: Size | None
    ) -> None:
        """Read an item that is present, as often as its `repeat` says."""
        count = keys.count(self.scope, item, names)
        if item.type == "Group":
            self.group(item, count, index)
        elif item.type == "Reuse":
            self.reuse(item, reads, names)
        elif isinstance(item.written, dict) and "branches" in item.written:
            from .branches import branches

            branches(self, item, reads, index)
        elif count is None:
            self.layer(item, reads, self.name(item, names), index)
            if self.scope.loop is not None:
                from .repeats import label_copy

                label_copy(self, item, names)
        else:
            self.repeat(item, reads, count, names)

    def repeat(self, item: Item, reads: tuple[Ref, ...], count: Size, names: LayerNames) -> None:
        """Read an item that is present several times: in a container, or one copy after another."""
        from .conditions import pass_through
        from .repeats import container, copies, repeated

        if "name" in item.common and not keys.counts(item.common["name"], item.number):
            if count == 0 and not symbols_in(count):
                pass_through(self, item, reads[:1], names)
            else:
                container(self, item, reads, count, names)
        elif self.chain is not None:
            repeated(self, item, count)
        elif count == 0 and item.path not in self.repeats.counts:
            self.context.fix(count, Need(item.at("repeat"), "is 0"))
            keys.note_count(self.context, item, count)
            pass_through(self, item, reads[:1], names)
        else:
            copies(self, item, reads, count)

    # the kinds of items

    def group(self, item: Item, count: Size | None, index: Size | None) -> None:
        """Read the layers of a `Group` as if they stood in its place."""
        from .repeats import one_by_one, repeated
        from .static_check import check_layers

        layers = check_layers(self.context, item)
        if count is None:
            self.items(layers, item.at("layers"), index)
        elif self.chain is None:
            one_by_one(self, item, count)
        else:
            repeated(self, item, count)

    def layer(
        self,
        item: Item,
        reads: tuple[Ref, ...],
        name: str | None,
        index: Size | None,
        *,
        repeated: bool = False,
    ) -> None:
        """Read one layer, block or `Sequential`."""
        if item.type == "Sequential":
            from .static_check import check_layers

            layers, path = check_layers(self.context, item), item.at("layers")
            call = self.sequential(item, reads, name, lambda: self.items(layers, path, index))
        elif (block := self.context.known.blocks.get(item.type)) is not None:
            call = self.block(item, block, reads, name, index)
        elif (
            row := widened(self.context.known.rows[item.type], item)
        ).operation and self.chain is not None:
            from .inline_operations import as_block

            spec, item = as_block(self, item, row, index)
            call = self.block(item, spec, reads, name, index)
        else:
            if PARAMETRIZE in item.common:
                from .parametrizations import with_parametrizations

                names = LayerNames(self.scope, self.first_type(reads), index)
                row = with_parametrizations(self.scope, item, row, names)
            read = read_layer(self.scope, item, row, reads, self.through, index)
            if self.chain is not None and not self.frame.called_one_by_one:
                self.check_passed(item, dict(read.named), read.paths)
            call = apply_layer(self.scope, item, row, read, name, chained=self.chain is not None)
        self.take(replace(call, repeated=repeated), item)

    def block(
        self,
        item: Item,
        spec: BlockSpec,
        reads: tuple[Ref, ...],
        name: str | None,
        index: Any,
        types: tuple[TensorType, ...] = (),
        given: dict[str, Any] | None = None,
    ) -> Node:
        """The call for a use of a block: its body is read with the arguments and input types."""
        if self.chain is not None and not spec.inputs:
            message = f"`{item.type}` reads nothing and can't stand in a `Sequential`"
            self.context.error("NG210", message, item.path, key=item.written is not None)
        types = types or self.through or tuple(self.scope.type_of(ref) for ref in reads)
        body = enter(self.scope, item, spec, types, index, given)
        if body.graph is None:
            body.graph = read_body(self.context, body, self.body)
        call = call_of(self.scope, item, body, () if self.through else reads, name)
        if self.chain is None and name is None and given is None:
            if not holds_weights(body):
                key = (body.key(), exact(body.context.outer))
                return replace(call, shared=self.scope.shared(call, key))
            return replace(call, name=self.scope.names.numbered(call.stem))
        return call

    def body(self, body: Body) -> Any:
        """The graph of a block's body for one use."""
        names = Names(written_names(body.spec.layers))
        inner = Walk(body.context, body.inputs, body.values, names)
        inner.whole(body.spec.layers, body.path, sequential=body.spec.sequential)
        return graph_of(body, inner.scope, inner.current)

    def reuse(self, item: Item, reads: tuple[Ref, ...], names: LayerNames) -> None:
        """Apply an existing layer again, with the same weights."""
        if self.chain is not None or "repeat" in item.common:
            message = "`Reuse` applies one layer once, outside a `Sequential`"
            self.context.error("NG210", message, item.path, key=True)
        from .reuse import again

        call = again(self, item, reads, names)
        self.take(replace(call, name=self.name(item, names) or ""), item)
