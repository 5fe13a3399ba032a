"""The reference models of some configs, in plain torch with the keys of their published weights.

``python -m tests.references [NAME ...]`` writes `tests/facts`, which the configs are held against.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm
from torch.utils.flop_counter import FlopCounterMode

from .conftest import ROOT


class Named(nn.Module):
    """A module whose children are the keywords: the containers of the published keys."""

    def __init__(self, /, **children: nn.Module) -> None:
        super().__init__()
        for name, child in children.items():
            self.add_module(name, child)

    def __getattr__(self, name: str) -> Any:
        return super().__getattr__(name)


def heads(x: Tensor, number: int) -> Tensor:
    """Each head's part of the vectors, heads before the tokens."""
    return x.view(x.shape[0], x.shape[1], number, x.shape[2] // number).transpose(1, 2)


def joined(x: Tensor) -> Tensor:
    return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], -1)


# Llama, as in transformers (modeling_llama.py)


class LlamaAttention(nn.Module):
    def __init__(self, size: int, num_heads: int, num_kv_heads: int) -> None:
        super().__init__()
        self.num_heads, self.num_kv_heads = num_heads, num_kv_heads
        head = size // num_heads
        self.q_proj = nn.Linear(size, num_heads * head, bias=False)
        self.k_proj = nn.Linear(size, num_kv_heads * head, bias=False)
        self.v_proj = nn.Linear(size, num_kv_heads * head, bias=False)
        self.o_proj = nn.Linear(num_heads * head, size, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        q = heads(self.q_proj(x), self.num_heads)
        k = heads(self.k_proj(x), self.num_kv_heads)
        v = heads(self.v_proj(x), self.num_kv_heads)
        q, k = (y * cos + rotate_half(y) * sin for y in (q, k))
        groups = self.num_heads // self.num_kv_heads
        k, v = (y.repeat_interleave(groups, dim=1) for y in (k, v))
        scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])
        hidden = torch.ones_like(scores[0, 0], dtype=torch.bool).triu(1)
        weights = scores.masked_fill(hidden, -math.inf).softmax(-1)
        mixed: Tensor = self.o_proj(joined(weights @ v))
        return mixed


def rotate_half(x: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return torch.cat([-x[..., half:], x[..., :half]], dim=-1)


class LlamaMLP(nn.Module):
    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(size, hidden, bias=False)
        self.up_proj = nn.Linear(size, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return y


class LlamaLayer(nn.Module):
    def __init__(self, size: int, hidden: int, num_heads: int, num_kv_heads: int) -> None:
        super().__init__()
        self.self_attn = LlamaAttention(size, num_heads, num_kv_heads)
        self.mlp = LlamaMLP(size, hidden)
        self.input_layernorm = nn.RMSNorm(size, eps=1e-5)
        self.post_attention_layernorm = nn.RMSNorm(size, eps=1e-5)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        y: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return y


class Llama(nn.Module):
    def __init__(
        self,
        vocab_size: int = 49152,
        hidden_size: int = 576,
        intermediate_size: int = 1536,
        num_layers: int = 30,
        num_heads: int = 9,
        num_kv_heads: int = 3,
        rope_theta: float = 100000.0,
    ) -> None:
        super().__init__()
        self.theta, self.head = rope_theta, hidden_size // num_heads
        layers = (
            LlamaLayer(hidden_size, intermediate_size, num_heads, num_kv_heads)
            for _ in range(num_layers)
        )
        self.model = Named(
            embed_tokens=nn.Embedding(vocab_size, hidden_size),
            layers=nn.ModuleList(layers),
            norm=nn.RMSNorm(hidden_size, eps=1e-5),
        )
        self.lm_head = nn.Linear(hidden_size, vocab_size, bias=False)
        self.lm_head.weight = self.model.embed_tokens.weight

    def forward(self, input_ids: Tensor) -> Tensor:
        x = self.model.embed_tokens(input_ids)
        powers = torch.arange(0, self.head, 2, device=x.device, dtype=torch.float32) / self.head
        positions = torch.arange(input_ids.shape[1], device=x.device, dtype=torch.float32)
        angles = torch.outer(positions, self.theta**-powers)
        angles = torch.cat([angles, angles], dim=-1)
        for layer in self.model.layers:
            x = layer(x, angles.cos(), angles.sin())
        logits: Tensor = self.lm_head(self.model.norm(x))
        return logits


# BERT, as in transformers (modeling_bert.py)


class BertSelfAttention(nn.Module):
    def __init__(self, size: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(size, size)
        self.key = nn.Linear(size, size)
        self.value = nn.Linear(size, size)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = (heads(y(x), self.num_heads) for y in (self.query, self.key, self.value))
        scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])
        scores = scores + (1.0 - mask[:, None, None, :].float()) * torch.finfo(scores.dtype).min
        return joined(scores.softmax(-1) @ v)


class BertOutput(nn.Module):
    def __init__(self, inner: int, size: int) -> None:
        super().__init__()
        self.dense = nn.Linear(inner, size)
        self.LayerNorm = nn.LayerNorm(size, eps=1e-12)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        y: Tensor = self.LayerNorm(self.dense(x) + residual)
        return y


class BertLayer(nn.Module):
    def __init__(self, size: int, num_heads: int, inner: int) -> None:
        super().__init__()
        self.attention = Named(
            self=BertSelfAttention(size, num_heads), output=BertOutput(size, size)
        )
        self.intermediate = Named(dense=nn.Linear(size, inner))
        self.output = BertOutput(inner, size)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.attention.output(self.attention.self(x, mask), x)
        y: Tensor = self.output(F.gelu(self.intermediate.dense(x)), x)
        return y


class Bert(nn.Module):
    def __init__(
        self,
        vocab_size: int = 30522,
        max_length: int = 512,
        hidden_size: int = 768,
        num_layers: int = 12,
        num_heads: int = 12,
        intermediate_size: int = 3072,
    ) -> None:
        super().__init__()
        self.embeddings = Named(
            word_embeddings=nn.Embedding(vocab_size, hidden_size, padding_idx=0),
            position_embeddings=nn.Embedding(max_length, hidden_size),
            token_type_embeddings=nn.Embedding(2, hidden_size),
            LayerNorm=nn.LayerNorm(hidden_size, eps=1e-12),
        )
        layers = (BertLayer(hidden_size, num_heads, intermediate_size) for _ in range(num_layers))
        self.encoder = Named(layer=nn.ModuleList(layers))
        self.pooler = Named(dense=nn.Linear(hidden_size, hidden_size))

    def forward(
        self, input_ids: Tensor, token_type_ids: Tensor, attention_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        e = self.embeddings
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)
        x = e.word_embeddings(input_ids) + e.token_type_embeddings(token_type_ids)
        x = e.LayerNorm(x + e.position_embeddings(positions))
        for layer in self.encoder.layer:
            x = layer(x, attention_mask)
        return x, torch.tanh(self.pooler.dense(x[:, 0]))


# CLIP and Whisper's encoder, as in transformers (modeling_clip.py, modeling_whisper.py)


class PlainAttention(nn.Module):
    """Attention with the names of CLIP and Whisper; the latter's keys have no bias."""

    def __init__(self, size: int, num_heads: int, *, key_bias: bool = True) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.k_proj = nn.Linear(size, size, bias=key_bias)
        self.v_proj = nn.Linear(size, size)
        self.q_proj = nn.Linear(size, size)
        self.out_proj = nn.Linear(size, size)

    def forward(self, x: Tensor, *, causal: bool = False) -> Tensor:
        q = heads(self.q_proj(x) * (x.shape[2] // self.num_heads) ** -0.5, self.num_heads)
        k, v = heads(self.k_proj(x), self.num_heads), heads(self.v_proj(x), self.num_heads)
        scores = q @ k.transpose(2, 3)
        if causal:
            hidden = torch.ones_like(scores[0, 0], dtype=torch.bool).triu(1)
            scores = scores.masked_fill(hidden, -math.inf)
        y: Tensor = self.out_proj(joined(scores.softmax(-1) @ v))
        return y


class ClipLayer(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.self_attn = PlainAttention(size, size // 64)
        self.layer_norm1 = nn.LayerNorm(size)
        self.mlp = Named(fc1=nn.Linear(size, 4 * size), fc2=nn.Linear(4 * size, size))
        self.layer_norm2 = nn.LayerNorm(size)

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x), causal=causal)
        y = self.mlp.fc1(self.layer_norm2(x))
        z: Tensor = x + self.mlp.fc2(y * torch.sigmoid(1.702 * y))
        return z


class ClipVisionEmbeddings(nn.Module):
    def __init__(self, size: int, patch: int, places: int) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.randn(size))
        self.patch_embedding = nn.Conv2d(3, size, patch, stride=patch, bias=False)
        self.position_embedding = nn.Embedding(places, size)

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)
        whole = self.class_embedding.expand(pixels.shape[0], 1, -1)
        x: Tensor = torch.cat([whole, patches], dim=1) + self.position_embedding.weight
        return x


class CLIP(nn.Module):
    def __init__(
        self,
        vocab_size: int = 49408,
        max_length: int = 77,
        text_width: int = 512,
        text_layers: int = 12,
        image_size: int = 224,
        patch_size: int = 32,
        vision_width: int = 768,
        vision_layers: int = 12,
        projection_dim: int = 512,
    ) -> None:
        super().__init__()
        self.logit_scale = nn.Parameter(torch.tensor(2.6592))
        self.text_model = Named(
            embeddings=Named(
                token_embedding=nn.Embedding(vocab_size, text_width),
                position_embedding=nn.Embedding(max_length, text_width),
            ),
            encoder=Named(layers=nn.ModuleList(ClipLayer(text_width) for _ in range(text_layers))),
            final_layer_norm=nn.LayerNorm(text_width),
        )
        places = (image_size // patch_size) ** 2 + 1
        layers = nn.ModuleList(ClipLayer(vision_width) for _ in range(vision_layers))
        self.vision_model = Named(
            embeddings=ClipVisionEmbeddings(vision_width, patch_size, places),
            pre_layrnorm=nn.LayerNorm(vision_width),
            encoder=Named(layers=layers),
            post_layernorm=nn.LayerNorm(vision_width),
        )
        self.visual_projection = nn.Linear(vision_width, projection_dim, bias=False)
        self.text_projection = nn.Linear(text_width, projection_dim, bias=False)

    def forward(self, input_ids: Tensor, pixel_values: Tensor) -> Tensor:
        text, vision = self.text_model, self.vision_model
        x = text.embeddings.token_embedding(input_ids)
        x = x + text.embeddings.position_embedding.weight[: input_ids.shape[1]]
        for layer in text.encoder.layers:
            x = layer(x, True)
        rows = torch.arange(x.shape[0], device=x.device)
        x = self.text_projection(text.final_layer_norm(x)[rows, input_ids.argmax(dim=-1)])
        y = vision.pre_layrnorm(vision.embeddings(pixel_values))
        for layer in vision.encoder.layers:
            y = layer(y, False)
        y = self.visual_projection(vision.post_layernorm(y[:, 0]))
        x, y = (z / z.norm(dim=-1, keepdim=True) for z in (x, y))
        logits: Tensor = y @ x.t() * self.logit_scale.exp()
        return logits


class WhisperLayer(nn.Module):
    def __init__(self, size: int, num_heads: int, inner: int) -> None:
        super().__init__()
        self.self_attn = PlainAttention(size, num_heads, key_bias=False)
        self.self_attn_layer_norm = nn.LayerNorm(size)
        self.fc1 = nn.Linear(size, inner)
        self.fc2 = nn.Linear(inner, size)
        self.final_layer_norm = nn.LayerNorm(size)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.self_attn_layer_norm(x))
        y: Tensor = x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))
        return y


class WhisperEncoder(nn.Module):
    def __init__(
        self,
        num_mel_bins: int = 80,
        max_positions: int = 1500,
        d_model: int = 384,
        num_layers: int = 4,
        num_heads: int = 6,
        ffn_dim: int = 1536,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(num_mel_bins, d_model, 3, padding=1)
        self.conv2 = nn.Conv1d(d_model, d_model, 3, stride=2, padding=1)
        self.embed_positions = nn.Embedding(max_positions, d_model)
        layers = (WhisperLayer(d_model, num_heads, ffn_dim) for _ in range(num_layers))
        self.layers = nn.ModuleList(layers)
        self.layer_norm = nn.LayerNorm(d_model)

    def forward(self, mel: Tensor) -> Tensor:
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel)))).permute(0, 2, 1)
        x = x + self.embed_positions.weight[: x.shape[1]]
        for layer in self.layers:
            x = layer(x)
        y: Tensor = self.layer_norm(x)
        return y


# DLRM, as in facebookresearch/dlrm (dlrm_s_pytorch.py)


class DLRM(nn.Module):
    def __init__(
        self, tables: Sequence[int], bottom: Sequence[int], top: Sequence[int], dense: int = 13
    ) -> None:
        super().__init__()
        met = len(tables) * (len(tables) + 1) // 2
        self.emb_l = nn.ModuleList(nn.EmbeddingBag(n, bottom[-1], mode="sum") for n in tables)
        self.bot_l = self.mlp([dense, *bottom])
        self.top_l = self.mlp([bottom[-1] + met, *top, 1])
        self.top_l[-1] = nn.Sigmoid()

    def mlp(self, sizes: Sequence[int]) -> nn.Sequential:
        layers: list[nn.Module] = []
        for i in range(len(sizes) - 1):
            layers += [nn.Linear(sizes[i], sizes[i + 1]), nn.ReLU()]
        return nn.Sequential(*layers)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        x = self.bot_l(dense)
        vectors = [emb(sparse[:, i : i + 1]) for i, emb in enumerate(self.emb_l)]
        t = torch.stack([x, *vectors], dim=1)
        z = torch.bmm(t, t.transpose(1, 2))
        pairs = [(i, j) for i in range(t.shape[1]) for j in range(i)]
        flat = z[:, [i for i, _ in pairs], [j for _, j in pairs]]
        y: Tensor = self.top_l(torch.cat([x, flat], dim=1))
        return y


# FT-Transformer, as in yandex-research/rtdl (rtdl/modules.py)


class Weights(nn.Module):
    """Parameters of the given shapes, and modules and buffers, by their names."""

    def __init__(self, **parts: Any) -> None:
        super().__init__()
        for name, part in parts.items():
            if isinstance(part, tuple):
                self.register_parameter(name, nn.Parameter(torch.randn(part)))
            elif isinstance(part, Tensor):
                self.register_buffer(name, part)
            else:
                self.add_module(name, part)

    def __getattr__(self, name: str) -> Any:
        return super().__getattr__(name)


class FTTransformer(nn.Module):
    def __init__(
        self,
        num_numbers: int = 6,
        cardinalities: Sequence[int] = (9, 16, 7, 15, 6, 5, 2, 42),
        d: int = 192,
        num_blocks: int = 3,
        num_heads: int = 8,
        hidden: int = 256,
        num_classes: int = 2,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        offsets = torch.tensor([0, *cardinalities[:-1]]).cumsum(0)
        self.feature_tokenizer = Named(
            num_tokenizer=Weights(weight=(num_numbers, d), bias=(num_numbers, d)),
            cat_tokenizer=Weights(
                bias=(len(cardinalities), d),
                category_offsets=offsets,
                embeddings=nn.Embedding(sum(cardinalities), d),
            ),
        )
        self.cls_token = Weights(weight=(d,))
        blocks = nn.ModuleList()
        for i in range(num_blocks):
            block = nn.ModuleDict({"attention": Named(**{n: nn.Linear(d, d) for n in self.MAPS})})
            ffn = Named(linear_first=nn.Linear(d, 2 * hidden), linear_second=nn.Linear(hidden, d))
            block["ffn"] = ffn
            if i > 0:
                block["attention_normalization"] = nn.LayerNorm(d)
            block["ffn_normalization"] = nn.LayerNorm(d)
            blocks.append(block)
        head = Named(normalization=nn.LayerNorm(d), linear=nn.Linear(d, num_classes))
        self.transformer = Named(blocks=blocks, head=head)

    MAPS = ("W_q", "W_k", "W_v", "W_out")

    def forward(self, numbers: Tensor, categories: Tensor) -> Tensor:
        num, cat = self.feature_tokenizer.num_tokenizer, self.feature_tokenizer.cat_tokenizer
        columns = num.weight[None] * numbers[:, :, None] + num.bias[None]
        others = cat.embeddings(categories + cat.category_offsets[None]) + cat.bias[None]
        cls = self.cls_token.weight.expand(len(numbers), 1, -1)
        x = torch.cat([columns, others, cls], dim=1)
        for block in self.transformer.blocks:
            y = block.attention_normalization(x) if "attention_normalization" in block else x
            maps = [getattr(block.attention, name) for name in self.MAPS]
            q, k, v = (heads(part(y), self.num_heads) for part in maps[:3])
            weights = (q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])).softmax(-1)
            x = x + maps[3](joined(weights @ v))
            value, gate = block.ffn.linear_first(block.ffn_normalization(x)).chunk(2, dim=-1)
            x = x + block.ffn.linear_second(value * F.relu(gate))
        head = self.transformer.head
        logits: Tensor = head.linear(F.relu(head.normalization(x[:, -1])))
        return logits


# Fourier neural operator, as in neuraloperator's first code (fourier_2d.py); the complex weights
# are pairs of numbers, as `torch.view_as_real` gives them


class SpectralConv2d(nn.Module):
    def __init__(self, channels: int, modes: int) -> None:
        super().__init__()
        shape = (channels, channels, modes, modes, 2)
        self.modes = modes
        self.weights1 = nn.Parameter(torch.rand(shape) / channels**2)
        self.weights2 = nn.Parameter(torch.rand(shape) / channels**2)

    def forward(self, x: Tensor) -> Tensor:
        m, freq = self.modes, torch.fft.rfft2(x)
        w1, w2 = torch.view_as_complex(self.weights1), torch.view_as_complex(self.weights2)
        out = torch.zeros_like(freq)
        out[:, :, :m, :m] = torch.einsum("bixy,ioxy->boxy", freq[:, :, :m, :m], w1)
        out[:, :, -m:, :m] = torch.einsum("bixy,ioxy->boxy", freq[:, :, -m:, :m], w2)
        y: Tensor = torch.fft.irfft2(out, s=(x.shape[-2], x.shape[-1]))
        return y


def fno_mlp(channels: int, out: int, mid: int) -> nn.Module:
    return Named(mlp1=nn.Conv2d(channels, mid, 1), mlp2=nn.Conv2d(mid, out, 1))


class FNO(nn.Module):
    def __init__(self, width: int = 32, modes: int = 12, depth: int = 4) -> None:
        super().__init__()
        self.p = nn.Linear(3, width)
        self.layers: Any = nn.Sequential()
        for _ in range(depth):
            part = Named(
                conv=SpectralConv2d(width, modes),
                mlp=fno_mlp(width, width, width),
                w=nn.Conv2d(width, width, 1),
            )
            self.layers.extend([part, nn.GELU()])
        self.q: Any = fno_mlp(width, 1, 4 * width)

    def forward(self, x: Tensor) -> Tensor:
        n, h, w, _ = x.shape
        rows = torch.linspace(0, 1, h, device=x.device).view(1, h, 1, 1).expand(n, h, w, 1)
        columns = torch.linspace(0, 1, w, device=x.device).view(1, 1, w, 1).expand(n, h, w, 1)
        x = self.p(torch.cat([x, rows, columns], dim=-1)).permute(0, 3, 1, 2)
        parts = [layer for layer in self.layers if not isinstance(layer, nn.GELU)]
        for i, layer in enumerate(parts):
            y = layer.mlp.mlp2(F.gelu(layer.mlp.mlp1(layer.conv(x))))
            x = y + layer.w(x)
            x = F.gelu(x) if i < len(parts) - 1 else x
        z: Tensor = self.q.mlp2(F.gelu(self.q.mlp1(x))).permute(0, 2, 3, 1)
        return z


# a feature pyramid on ResNet-50, as in torchvision (resnet.py, feature_pyramid_network.py)


class Bottleneck(nn.Module):
    def __init__(self, channels: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, 4 * planes, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * planes)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels != 4 * planes:
            conv = nn.Conv2d(channels, 4 * planes, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(4 * planes))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class FPNResNet50(nn.Module):
    def __init__(self, out_channels: int = 256) -> None:
        super().__init__()
        stages: dict[str, nn.Module] = {}
        channels = 64
        for i, depth in enumerate((3, 4, 6, 3)):
            blocks = []
            for number in range(depth):
                blocks.append(Bottleneck(channels, 64 * 2**i, 2 if i and not number else 1))
                channels = 4 * 64 * 2**i
            stages[f"layer{i + 1}"] = nn.Sequential(*blocks)
        stem = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.body = Named(conv1=stem, bn1=nn.BatchNorm2d(64), **stages)
        inner = (nn.Sequential(nn.Conv2d(256 * 2**i, out_channels, 1)) for i in range(4))
        outer = (nn.Sequential(nn.Conv2d(out_channels, out_channels, 3, 1, 1)) for _ in range(4))
        self.fpn = Named(inner_blocks=nn.ModuleList(inner), layer_blocks=nn.ModuleList(outer))

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.max_pool2d(F.relu(self.body.bn1(self.body.conv1(x))), 3, 2, 1)
        found = []
        for i in range(4):
            x = getattr(self.body, f"layer{i + 1}")(x)
            found.append(self.fpn.inner_blocks[i](x))
        for i in (2, 1, 0):
            size = found[i].shape[-2:]
            found[i] = found[i] + F.interpolate(found[i + 1], size=size, mode="nearest")
        levels = [layer(y) for layer, y in zip(self.fpn.layer_blocks, found, strict=True)]
        return [*levels, F.max_pool2d(levels[-1], 1, 2, 0)]


# the U-Net of DDPM, as in diffusers (UNet2DModel of google/ddpm-cifar10-32)


class ResnetBlock(nn.Module):
    def __init__(self, channels: int, out: int, time: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(32, channels, eps=1e-6)
        self.conv1 = nn.Conv2d(channels, out, 3, padding=1)
        self.time_emb_proj = nn.Linear(time, out)
        self.norm2 = nn.GroupNorm(32, out, eps=1e-6)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        if channels != out:
            self.conv_shortcut = nn.Conv2d(channels, out, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        y = self.conv1(F.silu(self.norm1(x)))
        y = y + self.time_emb_proj(F.silu(time))[:, :, None, None]
        y = self.conv2(F.silu(self.norm2(y)))
        z: Tensor = (self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x) + y
        return z


class PlaceAttention(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(32, channels, eps=1e-6)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x: Tensor) -> Tensor:
        y = self.group_norm(x).flatten(2).transpose(1, 2)
        weights = self.to_q(y) @ self.to_k(y).transpose(1, 2) / math.sqrt(y.shape[-1])
        y = self.to_out[0](weights.softmax(-1) @ self.to_v(y))
        z: Tensor = x + y.transpose(1, 2).reshape(x.shape)
        return z


class DiffusionUNet(nn.Module):
    def __init__(self, width: int = 128) -> None:
        super().__init__()
        w, time = width, 4 * width
        self.width = width
        self.conv_in = nn.Conv2d(3, w, 3, padding=1)
        self.time_embedding = Named(linear_1=nn.Linear(w, time), linear_2=nn.Linear(time, time))
        self.down_blocks: Any = nn.ModuleList(
            self.block([(i, o), (o, o)], time, attend, down="downsamplers" if more else None)
            for i, o, attend, more in [
                (w, w, False, True),
                (w, 2 * w, True, True),
                (2 * w, 2 * w, False, True),
                (2 * w, 2 * w, False, False),
            ]
        )
        self.mid_block = Named(
            resnets=nn.ModuleList(ResnetBlock(2 * w, 2 * w, time) for _ in range(2)),
            attentions=nn.ModuleList([PlaceAttention(2 * w)]),
        )
        self.up_blocks: Any = nn.ModuleList(
            self.block(
                [*zip(i, [o] * 3, strict=True)], time, attend, "upsamplers" if more else None
            )
            for i, o, attend, more in [
                ([4 * w] * 3, 2 * w, False, True),
                ([4 * w] * 3, 2 * w, False, True),
                ([4 * w, 4 * w, 3 * w], 2 * w, True, True),
                ([3 * w, 2 * w, 2 * w], w, False, False),
            ]
        )
        self.conv_norm_out = nn.GroupNorm(32, w, eps=1e-6)
        self.conv_out = nn.Conv2d(w, 3, 3, padding=1)

    def block(
        self, sizes: Sequence[tuple[int, int]], time: int, attend: bool, down: str | None
    ) -> nn.Module:
        parts: dict[str, nn.Module] = {
            "resnets": nn.ModuleList(ResnetBlock(i, o, time) for i, o in sizes)
        }
        if attend:
            parts["attentions"] = nn.ModuleList(PlaceAttention(o) for _, o in sizes)
        if down:
            out = sizes[-1][1]
            halving = down == "downsamplers"
            conv = nn.Conv2d(out, out, 3, stride=2 if halving else 1, padding=0 if halving else 1)
            parts[down] = nn.ModuleList([Named(conv=conv)])
        return Named(**parts)

    def forward(self, sample: Tensor, timestep: Tensor) -> Tensor:
        half = self.width // 2
        powers = torch.arange(half, dtype=torch.float32, device=sample.device) / (half - 1)
        angles = timestep[:, None].float() * torch.exp(-math.log(10000) * powers)
        time = torch.cat([angles.sin(), angles.cos()], dim=-1)
        time = self.time_embedding.linear_2(F.silu(self.time_embedding.linear_1(time)))
        x = self.conv_in(sample)
        skips = [x]
        for block in self.down_blocks:
            for i, resnet in enumerate(block.resnets):
                x = resnet(x, time)
                x = block.attentions[i](x) if hasattr(block, "attentions") else x
                skips.append(x)
            if hasattr(block, "downsamplers"):
                x = block.downsamplers[0].conv(F.pad(x, (0, 1, 0, 1)))
                skips.append(x)
        x = self.mid_block.resnets[0](x, time)
        x = self.mid_block.resnets[1](self.mid_block.attentions[0](x), time)
        for block in self.up_blocks:
            for i, resnet in enumerate(block.resnets):
                x = resnet(torch.cat([x, skips.pop()], dim=1), time)
                x = block.attentions[i](x) if hasattr(block, "attentions") else x
            if hasattr(block, "upsamplers"):
                x = block.upsamplers[0].conv(F.interpolate(x, scale_factor=2.0))
        y: Tensor = self.conv_out(F.silu(self.conv_norm_out(x)))
        return y


# T5, as in transformers (modeling_t5.py)


class T5Attention(nn.Module):
    def __init__(self, size: int, num_heads: int, d_kv: int, *, first: bool = False) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q = nn.Linear(size, num_heads * d_kv, bias=False)
        self.k = nn.Linear(size, num_heads * d_kv, bias=False)
        self.v = nn.Linear(size, num_heads * d_kv, bias=False)
        self.o = nn.Linear(num_heads * d_kv, size, bias=False)
        if first:
            self.relative_attention_bias = nn.Embedding(32, num_heads)

    def forward(self, x: Tensor, memory: Tensor, bias: Tensor | None) -> Tensor:
        q, k, v = (
            heads(part(y), self.num_heads)
            for part, y in ((self.q, x), (self.k, memory), (self.v, memory))
        )
        scores = q @ k.transpose(2, 3)
        scores = scores if bias is None else scores + bias
        y: Tensor = self.o(joined(scores.softmax(-1) @ v))
        return y

    def bias(self, length: int, *, decoder: bool) -> Tensor:
        places = torch.arange(length, device=self.o.weight.device)
        ahead = places[None, :] - places[:, None]
        count, offset = 32, torch.zeros_like(ahead)
        if decoder:
            ahead = -torch.min(ahead, torch.zeros_like(ahead))
        else:
            count = 16
            offset = (ahead > 0).long() * count
            ahead = ahead.abs()
        exact = count // 2
        far = torch.log(ahead.float().clamp(min=1e-9) / exact) / math.log(128 / exact)
        far = (exact + (far * (count - exact)).long()).clamp(max=count - 1)
        buckets = offset + torch.where(ahead < exact, ahead, far)
        bias: Tensor = self.relative_attention_bias(buckets).permute(2, 0, 1)[None]
        hidden = torch.ones_like(buckets, dtype=torch.bool).triu(1)
        return bias.masked_fill(hidden, -math.inf) if decoder else bias


class T5Stack(nn.Module):
    def __init__(
        self,
        embed_tokens: nn.Embedding,
        d_kv: int,
        d_ff: int,
        depth: int,
        num_heads: int,
        *,
        decoder: bool,
    ) -> None:
        super().__init__()
        size = embed_tokens.embedding_dim
        self.embed_tokens = embed_tokens
        self.decoder = decoder
        self.block: Any = nn.ModuleList()
        for i in range(depth):
            kinds: list[tuple[str, nn.Module]] = [
                ("SelfAttention", T5Attention(size, num_heads, d_kv, first=i == 0))
            ]
            if decoder:
                kinds.append(("EncDecAttention", T5Attention(size, num_heads, d_kv)))
            maps = (nn.Linear(size, d_ff, bias=False), nn.Linear(d_ff, size, bias=False))
            kinds.append(("DenseReluDense", Named(wi=maps[0], wo=maps[1])))
            layers = (
                Named(**{kind: part, "layer_norm": nn.RMSNorm(size, eps=1e-6)})
                for kind, part in kinds
            )
            self.block.append(Named(layer=nn.ModuleList(layers)))
        self.final_layer_norm = nn.RMSNorm(size, eps=1e-6)

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        first: Any = self.block[0]
        bias = first.layer[0].SelfAttention.bias(x.shape[1], decoder=self.decoder)
        for block in self.block:
            attend, *cross, dense = block.layer
            y = attend.layer_norm(x)
            x = x + attend.SelfAttention(y, y, bias)
            for layer in cross:
                x = x + layer.EncDecAttention(layer.layer_norm(x), memory, None)
            maps = dense.DenseReluDense
            x = x + maps.wo(F.relu(maps.wi(dense.layer_norm(x))))
        normalized: Tensor = self.final_layer_norm(x)
        return normalized


class T5(nn.Module):
    def __init__(
        self,
        vocab_size: int = 32128,
        d_model: int = 512,
        d_kv: int = 64,
        d_ff: int = 2048,
        num_layers: int = 6,
        num_heads: int = 8,
    ) -> None:
        super().__init__()
        self.shared = nn.Embedding(vocab_size, d_model)
        sizes = (d_kv, d_ff, num_layers, num_heads)
        self.encoder = T5Stack(self.shared, *sizes, decoder=False)
        self.decoder = T5Stack(self.shared, *sizes, decoder=True)
        self.lm_head = nn.Linear(d_model, vocab_size, bias=False)
        self.lm_head.weight = self.shared.weight

    def forward(self, input_ids: Tensor, decoder_input_ids: Tensor) -> Tensor:
        memory = self.encoder(self.shared(input_ids))
        x = self.decoder(self.shared(decoder_input_ids), memory)
        logits: Tensor = self.lm_head(x * x.shape[-1] ** -0.5)
        return logits


# Mamba, as in state-spaces/mamba (mixer_seq_simple.py); the scan goes from place
# to place


class MambaMixer(nn.Module):
    def __init__(self, size: int, states: int) -> None:
        super().__init__()
        inner, rank = 2 * size, math.ceil(size / 16)
        self.rank, self.states = rank, states
        numbers = torch.arange(1, states + 1, dtype=torch.float32)
        self.A_log = nn.Parameter(numbers.repeat(inner, 1).log())
        self.D = nn.Parameter(torch.ones(inner))
        self.in_proj = nn.Linear(size, 2 * inner, bias=False)
        self.conv1d = nn.Conv1d(inner, inner, 4, groups=inner)
        self.x_proj = nn.Linear(inner, rank + 2 * states, bias=False)
        self.dt_proj = nn.Linear(rank, inner)
        self.out_proj = nn.Linear(inner, size, bias=False)

    def forward(self, y: Tensor) -> Tensor:
        x, gate = self.in_proj(y).chunk(2, dim=-1)
        x = F.silu(self.conv1d(F.pad(x.transpose(1, 2), (3, 0)))).transpose(1, 2)
        dt, b, c = self.x_proj(x).split([self.rank, self.states, self.states], dim=-1)
        dt = F.softplus(self.dt_proj(dt))
        a = -torch.exp(self.A_log)
        state = torch.zeros_like(x[:, 0, :, None] * a)
        found = []
        for t in range(x.shape[1]):
            kept = torch.exp(dt[:, t, :, None] * a)
            state = kept * state + dt[:, t, :, None] * b[:, t, None, :] * x[:, t, :, None]
            found.append((state @ c[:, t, :, None])[..., 0])
        z: Tensor = self.out_proj((torch.stack(found, dim=1) + x * self.D) * F.silu(gate))
        return z


class Mamba(nn.Module):
    def __init__(
        self, vocab_size: int = 50280, d_model: int = 768, n_layer: int = 24, d_state: int = 16
    ) -> None:
        super().__init__()
        layers = (
            Named(mixer=MambaMixer(d_model, d_state), norm=nn.RMSNorm(d_model, eps=1e-5))
            for _ in range(n_layer)
        )
        self.backbone = Named(
            embedding=nn.Embedding(vocab_size, d_model),
            layers=nn.ModuleList(layers),
            norm_f=nn.RMSNorm(d_model, eps=1e-5),
        )
        self.lm_head = nn.Linear(d_model, vocab_size, bias=False)
        self.lm_head.weight = self.backbone.embedding.weight

    def forward(self, input_ids: Tensor) -> Tensor:
        x = self.backbone.embedding(input_ids)
        for layer in self.backbone.layers:
            x = x + layer.mixer(layer.norm(x))
        logits: Tensor = self.lm_head(self.backbone.norm_f(x))
        return logits


# YOLOv8, as in ultralytics (nn/modules, cfg/models/v8/yolov8.yaml), in training: what comes after
# the maps, `dfl.conv` included, is left out


class YoloConv(nn.Module):
    def __init__(self, channels: int, out: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=1e-3, momentum=0.03)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(self.bn(self.conv(x)))


class YoloC2f(nn.Module):
    def __init__(self, channels: int, out: int, depth: int, shortcut: bool = False) -> None:
        super().__init__()
        half = out // 2
        self.shortcut = shortcut
        self.cv1 = YoloConv(channels, out)
        self.cv2 = YoloConv((2 + depth) * half, out)
        pairs = (
            Named(cv1=YoloConv(half, half, 3), cv2=YoloConv(half, half, 3)) for _ in range(depth)
        )
        self.m: Any = nn.ModuleList(pairs)

    def forward(self, x: Tensor) -> Tensor:
        found = [*self.cv1(x).chunk(2, 1)]
        for part in self.m:
            y = part.cv2(part.cv1(found[-1]))
            found.append(found[-1] + y if self.shortcut else y)
        z: Tensor = self.cv2(torch.cat(found, 1))
        return z


class YoloSPPF(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cv1 = YoloConv(channels, channels // 2)
        self.cv2 = YoloConv(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        found = [self.cv1(x)]
        for _ in range(3):
            found.append(F.max_pool2d(found[-1], 5, 1, 2))
        z: Tensor = self.cv2(torch.cat(found, 1))
        return z


class YOLOv8(nn.Module):
    """The layers of yolov8.yaml by their numbers; those that join or enlarge have no weights."""

    def __init__(self, width: float = 0.25, depth: float = 0.33, most: int = 1024) -> None:
        super().__init__()

        def c(channels: int) -> int:
            return math.ceil(min(channels, most) * width / 8) * 8

        def n(times: int) -> int:
            return max(round(times * depth), 1)

        grids, classes = (c(256), c(512), c(1024)), 80
        box, kinds = max(16, grids[0] // 4, 64), max(grids[0], min(classes, 100))

        def predict(hidden: int, out: int) -> nn.ModuleList:
            return nn.ModuleList(
                nn.Sequential(
                    YoloConv(x, hidden, 3), YoloConv(hidden, hidden, 3), nn.Conv2d(hidden, out, 1)
                )
                for x in grids
            )

        layers: list[nn.Module] = [
            YoloConv(3, c(64), 3, 2),
            YoloConv(c(64), c(128), 3, 2),
            YoloC2f(c(128), c(128), n(3), True),
            YoloConv(c(128), c(256), 3, 2),
            YoloC2f(c(256), c(256), n(6), True),
            YoloConv(c(256), c(512), 3, 2),
            YoloC2f(c(512), c(512), n(6), True),
            YoloConv(c(512), c(1024), 3, 2),
            YoloC2f(c(1024), c(1024), n(3), True),
            YoloSPPF(c(1024)),
            nn.Upsample(scale_factor=2.0),
            nn.Identity(),
            YoloC2f(c(1024) + c(512), c(512), n(3)),
            nn.Upsample(scale_factor=2.0),
            nn.Identity(),
            YoloC2f(c(512) + c(256), c(256), n(3)),
            YoloConv(c(256), c(256), 3, 2),
            nn.Identity(),
            YoloC2f(c(256) + c(512), c(512), n(3)),
            YoloConv(c(512), c(512), 3, 2),
            nn.Identity(),
            YoloC2f(c(512) + c(1024), c(1024), n(3)),
            Named(cv2=predict(box, 64), cv3=predict(kinds, classes)),
        ]
        self.model = nn.Sequential(*layers)

    @property
    def head(self) -> Any:
        return self.model[22]

    def forward(self, x: Tensor) -> list[Tensor]:
        beside = {11: 6, 14: 4, 17: 12, 20: 9}
        found: list[Tensor] = []
        for i, layer in enumerate(list(self.model)[:22]):
            x = torch.cat([x, found[beside[i]]], 1) if i in beside else layer(x)
            found.append(x)
        grids, head = (found[15], found[18], found[21]), self.head
        return [
            torch.cat([box(y), kind(y)], 1)
            for y, box, kind in zip(grids, head.cv2, head.cv3, strict=True)
        ]


# a temporal convolutional network, as in locuslab/TCN (tcn.py), without `net`, which holds the
# same layers again, and padded on the left instead of cut on the right


class TemporalBlock(nn.Module):
    def __init__(self, channels: int, out: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.before = (kernel - 1) * dilation
        self.conv1 = weight_norm(nn.Conv1d(channels, out, kernel, dilation=dilation))
        self.conv2 = weight_norm(nn.Conv1d(out, out, kernel, dilation=dilation))
        if channels != out:
            self.downsample = nn.Conv1d(channels, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.conv1(F.pad(x, (self.before, 0))))
        y = F.relu(self.conv2(F.pad(y, (self.before, 0))))
        return F.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


class TCN(nn.Module):
    def __init__(self, channels: int = 25, depth: int = 8, kernel_size: int = 7) -> None:
        super().__init__()
        blocks = (
            TemporalBlock(channels if i else 1, channels, kernel_size, 2**i) for i in range(depth)
        )
        self.tcn = Named(network=nn.Sequential(*blocks))
        self.linear = nn.Linear(channels, 10)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(self.tcn.network(x)[:, :, -1])
        return y


# the discriminator of SN-GAN, as its paper's table has it, with torch's own spectral norm


class SNGANDiscriminator(nn.Module):
    SHAPES = ((3, 1, 3), (1, 1, 4), (1, 2, 3), (2, 2, 4), (2, 4, 3), (4, 4, 4), (4, 8, 3))

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        for i, (channels, out, kernel) in enumerate(self.SHAPES):
            channels = channels * width if i else 3
            conv = nn.Conv2d(channels, out * width, kernel, 2 if kernel == 4 else 1, 1)
            self.add_module(f"conv{i + 1}", spectral_norm(conv))
        self.fc = spectral_norm(nn.Linear(8 * width * 4 * 4, 1))

    def forward(self, x: Tensor) -> Tensor:
        for i in range(len(self.SHAPES)):
            x = F.leaky_relu(getattr(self, f"conv{i + 1}")(x), 0.1)
        y: Tensor = self.fc(x.flatten(1))
        return y


CRITEO = (
    *(1460, 583, 10000, 10000, 305, 24, 10000, 633, 3, 10000, 5683, 10000, 3194, 27, 10000, 10000),
    *(10, 5652, 2173, 4, 10000, 18, 15, 10000, 105, 10000),
)


class Reference:
    """How a model is made, and the arguments of a small one, by which the spec calls them, too."""

    def __init__(
        self,
        source: str,
        make: Callable[..., nn.Module],
        small: dict[str, Any] | None = None,
    ) -> None:
        self.source, self.make, self.small = source, make, small or {}


REFERENCES = {
    "llama": Reference(
        "github:huggingface/transformers LlamaForCausalLM",
        Llama,
        {
            "vocab_size": 50,
            "hidden_size": 48,
            "intermediate_size": 40,
            "num_layers": 2,
            "num_heads": 6,
        },
    ),
    "bert_base": Reference(
        "github:huggingface/transformers BertModel",
        Bert,
        {"vocab_size": 50, "hidden_size": 24, "intermediate_size": 30, "num_layers": 2},
    ),
    "clip": Reference(
        "github:huggingface/transformers CLIPModel",
        CLIP,
        {
            "vocab_size": 50,
            "text_width": 128,
            "text_layers": 2,
            "image_size": 64,
            "vision_width": 64,
            "vision_layers": 1,
            "projection_dim": 10,
        },
    ),
    "whisper_tiny_encoder": Reference(
        "github:huggingface/transformers WhisperEncoder",
        WhisperEncoder,
        {"num_mel_bins": 10, "d_model": 48, "num_layers": 2, "ffn_dim": 30},
    ),
    "dlrm": Reference(
        "github:facebookresearch/dlrm",
        lambda: DLRM(CRITEO, (512, 256, 64, 16), (512, 256)),
    ),
    "ft_transformer": Reference("github:yandex-research/rtdl", FTTransformer),
    "fno": Reference(
        "github:neuraloperator/neuraloperator, fourier_2d.py",
        FNO,
        {"width": 6, "modes": 4, "depth": 3},
    ),
    "fpn_resnet50": Reference("github:pytorch/vision BackboneWithFPN", FPNResNet50),
    "t5_small": Reference(
        "github:huggingface/transformers T5ForConditionalGeneration",
        T5,
        {"vocab_size": 50, "d_model": 24, "d_kv": 6, "d_ff": 40, "num_layers": 2, "num_heads": 4},
    ),
    "mamba": Reference(
        "github:state-spaces/mamba", Mamba, {"vocab_size": 50, "d_model": 32, "n_layer": 2}
    ),
    "yolov8n": Reference("github:ultralytics/ultralytics, in training", YOLOv8),
    "tcn": Reference("github:locuslab/TCN", TCN, {"channels": 6, "depth": 3, "kernel_size": 3}),
    "sngan_discriminator": Reference(
        "Miyato et al., 2018, table 3", SNGANDiscriminator, {"width": 8}
    ),
    "diffusion_unet": Reference(
        "github:huggingface/diffusers UNet2DModel", DiffusionUNet, {"width": 32}
    ),
}


def tensors_of(value: Any) -> list[Tensor]:
    return [value] if isinstance(value, Tensor) else [part for x in value for part in tensors_of(x)]


def facts(name: str, inputs: Sequence[Tensor]) -> str:
    """What is held against a config: keys and shapes, parameters, MACs and outputs for a sample."""
    with torch.device("meta"):
        network = REFERENCES[name].make().eval()
        samples = [torch.empty_like(x[:1], device="meta") for x in inputs]
        with FlopCounterMode(display=False) as counter:
            network(*samples)
        outputs = tensors_of(network(*(torch.empty_like(x[:2], device="meta") for x in inputs)))
    shapes = [list(x.shape) for x in outputs]
    lines = [
        f'  "source": {json.dumps(REFERENCES[name].source)},',
        f'  "parameters": {sum(x.numel() for x in network.parameters())},',
        f'  "macs": {counter.get_total_flops() // 2},',
        f'  "inputs": {json.dumps([list(x.shape) for x in samples])},',
        f'  "outputs": {json.dumps(shapes if len(shapes) > 1 else shapes[0])},',
    ]
    keys = ",\n    ".join(
        json.dumps([key, list(value.shape)]) for key, value in network.state_dict().items()
    )
    return "\n".join(["{", *lines, f'  "state_dict": [\n    {keys}\n  ]', "}"]) + "\n"


def main(names: Sequence[str]) -> None:
    """Write the facts."""
    from .test_zoo import inputs

    for name in names or REFERENCES:
        path = ROOT / "tests" / "facts" / f"{name}.json"
        path.write_text(facts(name, inputs(name)), encoding="utf-8")
        print(name)


if __name__ == "__main__":
    main(sys.argv[1:])
