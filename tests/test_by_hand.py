"""Networks written by hand in plain torch, whose weights the generated ones take, outputs alike."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_netgen.pipeline import build_source
from torch_netgen.spec.source import parse


def generated(text: str, **arguments: object) -> nn.Module:
    """The network that a spec makes."""
    made: type[nn.Module] = build_source(parse(text, "net"), {}, None).module_class
    return made(**arguments)


def hold(own: nn.Module, made: nn.Module, *inputs: Tensor) -> None:
    """The generated network takes the weights of the one by hand, and gives the same."""
    made.load_state_dict(own.state_dict(), strict=True)
    torch.testing.assert_close(made.eval()(*inputs), own.eval()(*inputs))


WINDOW = """
name: Window
input: [16, 32]
params: {heads: 4}
blocks:
  Bias:
    inputs: []
    params: {window: required, heads: required}
    layers:
      - Parameter: {name: table, shape: ["$((2 * window - 1) ** 2)", $heads]}
      - Buffer:
          name: index
          value: "$([
            (i // window - j // window + window - 1) * (2 * window - 1)
            + i % window - j % window + window - 1
            for i in range(window ** 2) for j in range(window ** 2)])"
      - IndexSelect: {from: [table, index], dim: 0}
      - Rearrange: {pattern: (q k) h -> h q k, q: $(window ** 2)}
layers:
  - Linear: {name: qkv, out_features: 96}
  - Rearrange: {name: split, pattern: n t (three h d) -> three n h t d, three: 3, h: $heads}
  - Select: {name: q, dim: 0, index: 0}
  - Select: {name: k, from: split, dim: 0, index: 1}
  - Select: {name: v, from: split, dim: 0, index: 2}
  - Bias: {name: bias, window: 4, heads: $heads}
  - ScaledDotProductAttention: {from: [q, k, v], attn_mask: bias}
  - Rearrange: n h t d -> n t (h d)
  - Linear: {name: proj, out_features: 32}
"""


class SwinBias(nn.Module):
    index: Tensor

    def __init__(self, window: int, heads: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn((2 * window - 1) ** 2, heads))
        places = torch.stack(torch.meshgrid(*[torch.arange(window)] * 2, indexing="ij")).flatten(1)
        between = (places[:, :, None] - places[:, None, :]).permute(1, 2, 0) + window - 1
        index = between[..., 0] * (2 * window - 1) + between[..., 1]
        self.register_buffer("index", index.flatten())

    def forward(self) -> Tensor:
        side = int(len(self.index) ** 0.5)
        return self.table[self.index].view(side, side, -1).permute(2, 0, 1)


class SwinWindow(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(32, 96), nn.Linear(32, 32)
        self.bias = SwinBias(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).reshape(-1, 16, 3, 4, 8).permute(2, 0, 3, 1, 4)
        x = F.softmax(q @ k.transpose(-2, -1) * 8**-0.5 + self.bias(), dim=-1) @ v
        out: Tensor = self.proj(x.transpose(1, 2).reshape(-1, 16, 32))
        return out


def test_a_window_of_swin_has_its_table_in_a_block_that_reads_nothing() -> None:
    hold(SwinWindow(), generated(WINDOW), torch.randn(3, 16, 32))


T5 = """
name: T5
inputs:
  input_ids: {shape: [6], dtype: int64}
  labels: {shape: [5], dtype: int64}
params: {vocab: 20}
blocks:
  Stack:
    inputs: [x, memory]
    layers:
      - RMSNorm: {name: norm, from: x, eps: 1.0e-6}
      - MultiheadAttention: {name: attn, from: [norm, memory], num_heads: 2, batch_first: true}
      - Add: [x, attn]
layers:
  - Embedding: {name: shared, from: input_ids, num_embeddings: $vocab, embedding_dim: 8}
  - Stack: {name: encoder, from: [shared, shared]}
  - Reuse: {name: embedded, layer: shared, from: labels}
  - Stack: {name: decoder, from: [embedded, encoder]}
  - Linear: {name: lm_head, out_features: $vocab, bias: false}
alias: {encoder.embed_tokens: shared, decoder.embed_tokens: shared}
tie: {lm_head.weight: shared.weight}
"""


class Stack(nn.Module):
    def __init__(self, embed_tokens: nn.Embedding) -> None:
        super().__init__()
        self.embed_tokens = embed_tokens
        self.norm = nn.RMSNorm(8, eps=1e-6)
        self.attn = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, tokens: Tensor, memory: Tensor | None = None) -> Tensor:
        x = self.embed_tokens(tokens)
        memory = x if memory is None else memory
        added, _ = self.attn(self.norm(x), memory, memory)
        return x + added  # type: ignore[no-any-return]


class SharedEmbedding(nn.Module):
    """As in transformers' T5, each stack is given the embedding, and the head has its weight."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Embedding(20, 8)
        self.encoder, self.decoder = Stack(self.shared), Stack(self.shared)
        self.lm_head = nn.Linear(8, 20, bias=False)
        self.lm_head.weight = self.shared.weight

    def forward(self, input_ids: Tensor, labels: Tensor) -> Tensor:
        out: Tensor = self.lm_head(self.decoder(labels, self.encoder(input_ids)))
        return out


def test_a_shared_embedding_has_a_key_in_each_stack() -> None:
    own, made = SharedEmbedding(), generated(T5)
    hold(own, made, torch.randint(20, (2, 6)), torch.randint(20, (2, 5)))
    assert {*made.state_dict()} == {*own.state_dict()}
    assert [p.shape for p in made.parameters()] == [p.shape for p in own.parameters()]
    assert made.encoder.embed_tokens is made.shared  # type: ignore[union-attr]


YOLO_HEAD = """
name: Detector
input: [3, 16, 16]
layers:
  - Conv2d: {name: model.0, out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
  - Conv2d: {name: model.1, out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
  - Upsample: {scale_factor: 2.0}
  - Concat: [model.0, upsample]
  - Conv2d: {name: model.4, out_channels: 4, kernel_size: 1}
  - Conv2d: {name: model.12, out_channels: 2, kernel_size: 1}
"""


class Detector(nn.Module):
    """As in YOLO's files, layers without weights have numbers, too."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1),
            nn.Conv2d(8, 8, 3, 2, 1),
            nn.Upsample(scale_factor=2.0),
            nn.Identity(),
            nn.Conv2d(16, 4, 1),
            *[nn.Identity() for _ in range(7)],
            nn.Conv2d(4, 2, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.model[0](x)
        return self.model[3:](torch.cat([x, self.model[2](self.model[1](x))], dim=1))  # type: ignore[no-any-return]


def test_numbers_with_gaps_are_the_keys_of_a_checkpoint() -> None:
    hold(Detector(), generated(YOLO_HEAD), torch.randn(2, 3, 16, 16))


CHAIN = """
name: Chain
input: [3, 8, 8]
sequential: true
params: {width: 4}
layers:
  - Conv2d: {out_channels: $width, kernel_size: 3}
  - BatchNorm2d
  - ReLU
  - Flatten
  - Linear: {name: head, out_features: 5}
"""


def test_a_document_is_an_nn_sequential() -> None:
    own = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten())
    own.add_module("head", nn.Linear(6 * 36, 5))
    made = generated(CHAIN, width=6)
    assert isinstance(made, nn.Sequential)
    hold(own, made, torch.randn(2, 3, 8, 8))
    assert [*made.state_dict()] == [*own.state_dict()]


def test_a_long_sum_can_be_read_by_python() -> None:
    wide = "\n".join(
        f"  - Linear: {{name: fc{n}, from: input, out_features: 3}}" for n in range(250)
    )
    names = ", ".join(f"fc{n}" for n in range(250))
    made = generated(f"name: Wide\ninput: [2]\nlayers:\n{wide}\n  - Add: [{names}]\n")
    x = torch.randn(4, 2)
    torch.testing.assert_close(made(x), sum(layer(x) for layer in made.children()))
