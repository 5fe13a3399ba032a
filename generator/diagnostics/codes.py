"""Every code that a diagnostic can have: what it means, and how to fix the mistake.

The page `docs/diagnostics.md` is made from this table.
"""

from __future__ import annotations

from msgspec import Struct


class Code(Struct, frozen=True):
    """A kind of diagnostic: its title, its cure, and a spec that causes it, if one can."""

    title: str
    cure: str
    example: str = ""


_HEAD = "name: Net\ninput: [3, 8, 8]\n"

CODES = {
    "NG101": Code(
        "the file can't be read",
        "Check the path and the permissions. A spec is UTF-8 text.",
    ),
    "NG102": Code(
        "the text is not YAML",
        "Look at the place, and at the line above it: a bracket or a quote is open, a colon lacks "
        "its space, or the indentation is off.",
        f"{_HEAD}layers:\n  - Conv2d: [8, 3\n  - ReLU\n",
    ),
    "NG103": Code(
        "YAML that netgen does not take",
        "A spec is plain data: no tags (`!!python/...`), keys are words, aliases and nesting have "
        "limits.",
        f"{_HEAD}layers:\n  - Flatten\n  - Linear: !!int '4'\n",
    ),
    "NG104": Code(
        "a key stands twice in one mapping",
        "Take one of the two out: YAML would silently drop the first.",
        f"{_HEAD}layers:\n  - Conv2d: {{out_channels: 8, kernel_size: 3, kernel_size: 5}}\n",
    ),
    "NG201": Code(
        "a key is missing, unknown or of the wrong kind",
        "Write what the message expects; the language page lists the keys of a spec.",
        f"{_HEAD}descripton: A net.\nlayers:\n  - Flatten\n",
    ),
    "NG202": Code(
        "an unknown layer type",
        "Types have torch's names and spelling. `netgen` takes every layer of `torch.nn` and the "
        "operations that the language page lists; what is neither is written as a block.",
        f"{_HEAD}layers:\n  - Conv2D: [8, 3]\n",
    ),
    "NG203": Code(
        "an argument is missing, unknown or of the wrong kind",
        "Arguments have torch's names, order and defaults; the inferred ones are left out.",
        f"{_HEAD}layers:\n  - Conv2d: {{filters: 8, kernel_size: 3}}\n",
    ),
    "NG204": Code(
        "an unknown reference",
        "A reference is an input's name, or the name of a layer further up in the same scope, "
        "with a port where the layer gives several tensors.",
        f"{_HEAD}layers:\n  - Conv2d: {{name: stem, out_channels: 3, kernel_size: 1}}\n"
        "  - Add: [stm, input]\n",
    ),
    "NG205": Code(
        "a name that can't be used",
        "A name is an ASCII Python identifier, stands once in its scope, and is neither a keyword "
        "nor used by `nn.Module` itself.",
        f"{_HEAD}layers:\n  - Conv2d: {{name: forward, out_channels: 3, kernel_size: 1}}\n",
    ),
    "NG206": Code(
        "an expression is wrong",
        "An expression is `$name` or `$(...)`; the language page lists what may stand in it.",
        f"{_HEAD}layers:\n  - Flatten\n  - Linear: $(in_features // 0)\n",
    ),
    "NG207": Code(
        "nothing uses this",
        "Read it (`from`, `outputs`), or take it out: a layer without a use is a mistake.",
        f"{_HEAD}layers:\n  - Conv2d: {{name: side, out_channels: 3, kernel_size: 1}}\n"
        "  - Conv2d: {from: input, out_channels: 3, kernel_size: 1}\n",
    ),
    "NG208": Code(
        "an unknown parameter or variant",
        "Declare it under `params`, a variant under `variants`. A block sees its own parameters "
        "only: pass the others to it.",
        f"{_HEAD}params: {{width: 8}}\nlayers:\n  - Conv2d: [$widht, 3]\n  - Conv2d: [$width, 3]\n",
    ),
    "NG209": Code(
        "a spec that imports code",
        "Building it runs that code. For a spec that you trust give `--allow-imports`.",
        f"{_HEAD}imports: {{Squeeze: timm.layers.SqueezeExcite}}\nlayers:\n  - Conv2d: [8, 3]\n",
    ),
    "NG210": Code(
        "a structure that can't be built",
        "The message says what may stand where, and why.",
        f"{_HEAD}layers:\n  - Sequential:\n      layers:\n        - Conv2d: [3, 1]\n"
        "        - ReLU: {from: input}\n",
    ),
    "NG211": Code(
        "the layer can't take its input or its arguments",
        "The notes show the shapes that came in, and the message the arithmetic: change the "
        "argument, or the layer that gives the shape.",
        f"{_HEAD}layers:\n  - MaxPool2d: 2\n  - Conv2d: [8, 5]\n",
    ),
    "NG212": Code(
        "the network is not what the spec expects",
        "Change the network, or what stands under `expect`.",
        f"{_HEAD}layers:\n  - Conv2d: [8, 3]\nexpect: {{parameters: 216}}\n",
    ),
    "NG213": Code(
        "an import that can't be used",
        "An import is the path of a subclass of `nn.Module` that can be imported from the spec's "
        "folder or from what is installed.",
    ),
    "NG214": Code(
        "an index may be beyond what it reads",
        "Torch raises an error only where such an index comes. Make what is read larger, or the "
        "largest index smaller: `range` says what an input holds.",
        "name: Net\ninputs: {tokens: {shape: [4], dtype: int64, range: [0, 11]}}\n"
        "layers: [{Embedding: [10, 4]}]\n",
    ),
    "NG215": Code(
        "a file that can't be included",
        "A spec includes YAML files beside it or below its folder, by their paths seen from there. "
        "They hold blocks, and may include others, but not in a circle.",
        f"{_HEAD}include: [blocks.yaml]\nlayers:\n  - Conv2d: [8, 3]\n",
    ),
    "NG301": Code(
        "a block or an import that nothing uses",
        "Use it, or take it out.",
        f"{_HEAD}blocks:\n  Dense: {{layers: [{{Linear: 4}}]}}\nlayers:\n  - Conv2d: [8, 3]\n",
    ),
    "NG302": Code(
        "a parameter that nothing uses",
        "Use it, or take it out: who gives it another value would wait for an effect in vain.",
        f"{_HEAD}params: {{width: 8}}\nlayers:\n  - Conv2d: [8, 3]\n",
    ),
    "NG303": Code(
        "a bias before a batch norm",
        "Write `bias: false`: the norm subtracts the mean, so the bias has no effect.",
        f"{_HEAD}layers:\n  - Conv2d: {{out_channels: 8, kernel_size: 3, bias: true}}\n"
        "  - BatchNorm2d\n",
    ),
    "NG304": Code(
        "a softmax gives what is named logits",
        "Take the softmax out (`CrossEntropyLoss` has its own), or call the output otherwise.",
        f"{_HEAD}layers:\n  - Flatten\n  - Linear: 10\n  - Softmax: {{dim: 1}}\n"
        "outputs: {logits: softmax}\n",
    ),
    "NG305": Code(
        "an expression that is always the same",
        "Write its value, or the parameter that was meant to be in it.",
        f"{_HEAD}layers:\n  - Conv2d: [$(4 * 2), 3]\n",
    ),
    "NG306": Code(
        "an eps of 1 or more",
        "Leave it out: what stands first in torch, the number of channels or features, is "
        "inferred, so a number given by position is `eps`.",
        f"{_HEAD}layers:\n  - BatchNorm2d: 3\n",
    ),
    "NG307": Code(
        "a layer that learns nothing",
        "Look at what reads it: where the gradient is always zero (behind a softmax over one "
        "value, a sign, a rounding), or where no output hangs on the layer, training is in vain.",
        f"{_HEAD}layers:\n  - Add:\n      branches:\n"
        "        - [{Conv2d: [1, 1]}, {Softmax: {dim: 1}}]\n        - []\n",
    ),
    "NG308": Code(
        "an input that makes no difference",
        "The outputs stayed the same when the input changed: look for what always gives the same, "
        "or take the input out.",
        f"{_HEAD}layers:\n  - Mean: {{dim: 1, keepdim: true}}\n  - Softmax: {{dim: 1}}\n",
    ),
    "NG309": Code(
        "values that are not finite",
        "Say under `inputs` in which `range` the values of an input lie, or guard the layer that "
        "is named: what is not a number can't be trained or compared.",
        f"{_HEAD}layers:\n  - Flatten\n  - Log\n",
    ),
    "NG310": Code(
        "something is read after it was overwritten in place",
        "Write `inplace: false`: the value that is read is no longer what it was called.",
        f"{_HEAD}layers:\n  - Conv2d: {{name: conv, out_channels: 3, kernel_size: 1}}\n"
        "  - ReLU: {inplace: true}\n  - Add: [relu, conv]\n",
    ),
    "NG311": Code(
        "samples of a batch change what others give",
        "Where the batch was taken for time, write `batch_first: true`; where a `dim` is the "
        "batch's, another was meant. If samples are to meet, allow it.",
        "name: Net\ninput: [12, 32]\nlayers:\n  - LSTM: 10\n",
    ),
    "NG312": Code(
        "a layer along another dimension than was probably meant",
        "Put `Flatten`, `Permute` or `Transpose` before it: a linear layer, a norm of features and "
        "a recurrent layer work along the last dimension, convolutions put channels first.",
        f"{_HEAD}layers:\n  - Conv2d: [8, 3]\n  - ReLU\n  - Linear: 10\n",
    ),
    "NG313": Code(
        "numbers by position in torch's order",
        "Leave out what is inferred, like `in_channels`: positions begin behind it. If the numbers "
        "are meant as they are read, give them by name.",
        "name: Net\ninput: [3, 32, 32]\nlayers:\n  - Conv2d: [3, 16, 3]\n",
    ),
    "NG314": Code(
        "an operation without effect",
        "Take it out, or write the numbers that were meant: it gives what it reads.",
        f"{_HEAD}layers:\n  - Conv2d: [8, 3]\n  - Squeeze: 1\n",
    ),
    "NG315": Code(
        "an operation that makes another batch",
        "Dimension 0 is the batch: join, flatten and split another one. If samples are to be put "
        "together, allow it.",
        "name: Net\ninputs: {a: [10], b: [10]}\nlayers:\n  - Concat: {from: [a, b], dim: 0}\n",
    ),
    "NG316": Code(
        "a buffer whose numbers come with the weights",
        "The class is what is meant once a `state_dict` is loaded; until then the buffer holds "
        "zeros. Write its `value`, or allow it.",
        f"{_HEAD}layers:\n  - Buffer: {{name: table, shape: [8]}}\n  - Add: [input, table]\n",
    ),
    "NG317": Code(
        "a weight on which no output depends",
        "`forward` has nothing to do with it: only the `state_dict` has it. Read it, or take it "
        "out; if the weights that are to be loaded have it, allow it.",
        f"{_HEAD}layers:\n  - Conv2d: [8, 3]\n  - Parameter: {{name: scale, shape: [8, 1, 1]}}\n",
    ),
    "NG401": Code(
        "the run disproved the generated source",
        "This is a mistake of netgen's own, unless the network overwrites in place what a gradient "
        "needs: please report it with the spec.",
    ),
    "NG402": Code(
        "it did not end in time",
        "The spec took too long to read, or the process that runs the network was killed, crashed "
        "or took too long; is torch installed? `--no-smoke` builds without a run.",
    ),
    "NG403": Code(
        "the device is not there, or can't run this network",
        "Take another `--device`; `auto` is the best that is there and can run it. GPUs lack some "
        "element types, and some operations on others.",
    ),
    "NG404": Code(
        "the network is too large for this machine",
        "By default it is run piece by piece then, but a piece of it is too large, too, or a proof "
        "was asked for that needs the whole. Make it smaller, leave `--prove` out, or build it "
        "without the memory: `--device meta` runs it without data, `--no-smoke` not at all.",
    ),
    "NG405": Code(
        "the generated source holds what netgen never writes",
        "This is a mistake of netgen's own: please report it with the spec. Nothing was run.",
    ),
    "NG406": Code(
        "a gradient that is not finite",
        "The layer that is named is the first to give such values: keep its input away from where "
        "its slope has no end, or say under `inputs` in which `range` the values lie.",
    ),
    "NG407": Code(
        "what was asked to be shown could not be shown",
        "The message says which proof failed and why: the network runs, but not like that. Leave "
        "the level out of `--prove`, or change the network.",
    ),
    "NG408": Code(
        "another member of the class is not what the spec gives",
        "The class does something else with these arguments than `--set` with the same values "
        "gives. This is a mistake of netgen's own: please report it with the spec. To go on, write "
        "the parameter as a number where it is used.",
    ),
    "NG501": Code(
        "the output can't be written",
        "Check the folder, its permissions and the space that is left.",
    ),
    "NG502": Code(
        "the output holds what netgen did not write",
        "Give another output with `-o`, move the file away, or overwrite it with `--force`.",
    ),
    "NG503": Code(
        "the generated file is not what the spec gives",
        "Run `netgen build` and keep its result beside the spec; the diff shows what has changed.",
    ),
    "NG504": Code(
        "what is needed to draw pictures is not installed",
        "Install the extra: `pip install 'torch-netgen[graph]'`. `.dot` and `.mmd` need nothing.",
    ),
    "NG505": Code(
        "the output's name can't be a module's",
        "The file would have the spec's name, and could not be imported, or would be imported in "
        "the place of a module of Python's own or one that torch needs. Give it another name with "
        "`-o`, which takes any.",
    ),
    "NG506": Code(
        "nobody would learn of what is written: standard output is closed or full",
        "Run netgen with a standard output, even if it is `/dev/null`. Nothing was written.",
    ),
    "NG507": Code(
        "the system refuses what netgen needs",
        "The message says what: memory, a process, a file or a folder. Nothing was written.",
    ),
    "NG601": Code(
        "a mistake of netgen's own",
        "Please report it with the spec. Nothing was written.",
    ),
    "NG701": Code(
        "the code gives no network to import",
        "`netgen import` takes `package.module:callable` or `file.py:Name`; what is called gives "
        "an `nn.Module`, and `--args` are its arguments. A file that holds a whole network needs "
        "`--allow-pickle`, one of `torch.export` holds plain tensors, and an ONNX file needs "
        "`torch-netgen[onnx]`. The message says what went wrong.",
    ),
    "NG702": Code(
        "the network does not run on these inputs",
        "Say with `--input` what shapes and types its `forward` takes, without the batch. The "
        "place is the last line of the network's own code.",
    ),
    "NG703": Code(
        "the network is not the same for all sizes",
        "It was run with several batches and named sizes, and did something else for some of them. "
        "Write the size that decides as a number, or take what hangs on it out of the network.",
    ),
    "NG704": Code(
        "a call that no spec can say",
        "All such calls of the network are listed. Write them with what the catalogue has, or keep "
        "the class that makes them as it is, with `--keep CLASS`: a custom layer under `imports`.",
    ),
    "NG705": Code(
        "the imported spec is not the network",
        "The class was built and compared with the network, and differs. Nothing is written, "
        "because a spec that is only nearly right would be of no use: please report it.",
    ),
    "NG706": Code(
        "a file of weights that are not those of the network",
        "`--weights` takes a `state_dict`, as `torch.save(network.state_dict(), FILE)` writes it, "
        "or a file that holds just one. Names and shapes must all be those of the network.",
    ),
    "NG707": Code(
        "a class that can't be kept",
        "`--keep CLASS` keeps modules of a class as custom layers, which the spec imports from the "
        "module that has the class. They are called from outside alone.",
    ),
}

WARNINGS = tuple(code for code in CODES if code.startswith("NG3"))
