"""Converts a Whisper model of CTranslate2 (float16, binary version 6) into the ggml file that whisper.cpp reads.

    ct2_to_ggml.py MODEL_FOLDER OUT.bin

Standard library only; the same input gives the same bytes. Matrices stay float16, vectors become float32 (ggml's ftype 1).
"""

import math
import os
import re
import struct
import sys

from ct2 import parse

MAGIC = 0x67676D6C
FLOAT32, FLOAT16 = 0, 1
SAMPLE_RATE_HZ = 16_000
FFT_LEN = 400
FFT_BINS = FFT_LEN // 2 + 1


def byte_of_letter():
    """GPT-2 writes each byte of a token as one printable letter; this is the way back."""
    printable = [*range(33, 127), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {chr(byte): byte for byte in printable}
    letters.update({chr(256 + nth): byte for nth, byte in enumerate(others)})
    return letters


def mel_filters(bands):
    """Slaney's scale and norm, as librosa.filters.mel and OpenAI's own table have them."""
    linear_step = 200 / 3
    break_mel = 1000 / linear_step
    log_step = math.log(6.4) / 27

    def to_mel(hertz):
        return hertz / linear_step if hertz < 1000 else break_mel + math.log(hertz / 1000) / log_step

    def to_hertz(mel):
        return mel * linear_step if mel < break_mel else 1000 * math.exp(log_step * (mel - break_mel))

    low, high = to_mel(0), to_mel(SAMPLE_RATE_HZ / 2)
    edges = [to_hertz(low + (high - low) * nth / (bands + 1)) for nth in range(bands + 2)]
    frequencies = [nth * SAMPLE_RATE_HZ / FFT_LEN for nth in range(FFT_BINS)]
    filters = []
    for left, middle, right in zip(edges, edges[1:], edges[2:]):
        norm = 2 / (right - left)
        for frequency in frequencies:
            rise = (frequency - left) / (middle - left)
            fall = (right - frequency) / (right - middle)
            filters.append(norm * max(0, min(rise, fall)))
    return filters


class Converter:
    def __init__(self, folder, out):
        version, spec, _, self.tensors, _ = parse(os.path.join(folder, "model.bin"))
        if (version, spec) != (6, "WhisperSpec"):
            raise ValueError(f"not a Whisper model of binary version 6: {spec} {version}")
        with open(os.path.join(folder, "vocabulary.txt"), encoding="utf8") as file:
            self.vocabulary = file.read().split("\n")
        self.out = out
        self.used = set()

    def numbers(self, *values):
        self.out.write(struct.pack(f"<{len(values)}i", *values))

    def shape(self, name):
        return self.tensors[name][1]

    def scalar(self, name):
        return struct.unpack("<h", self.tensors[name][2])[0]

    def layers(self, side):
        return 1 + max(int(match[1]) for name in self.tensors if (match := re.match(rf"{side}/layer_(\d+)/", name)))

    def take(self, name, part=0, parts=1):
        """Shape and bytes of a tensor, or of one of its equal parts by rows."""
        data_type, shape, data = self.tensors[name]
        if data_type != "f2":
            raise ValueError(f"{name} is {data_type}; only float16 models can be converted")
        self.used.add(name)
        length = len(data) // parts
        return [shape[0] // parts, *shape[1:]], data[part * length : (part + 1) * length]

    def put(self, name, shape, data, as_float32):
        if as_float32:
            count = len(data) // 2
            data = struct.pack(f"<{count}f", *struct.unpack(f"<{count}e", data))
        encoded = name.encode()
        self.numbers(len(shape), len(encoded), FLOAT32 if as_float32 else FLOAT16)
        self.numbers(*reversed(shape))
        self.out.write(encoded)
        self.out.write(data)

    def copy(self, name, source, part=0, parts=1):
        shape, data = self.take(source, part, parts)
        self.put(name, shape, data, as_float32=len(shape) < 2)

    def norm(self, name, source):
        self.copy(f"{name}.weight", f"{source}/gamma")
        self.copy(f"{name}.bias", f"{source}/beta")

    def linear(self, name, source, part=0, parts=1):
        self.copy(f"{name}.weight", f"{source}/weight", part, parts)
        self.copy(f"{name}.bias", f"{source}/bias", part, parts)

    def key(self, name, source, part, parts):
        """Whisper's keys have no bias; CTranslate2 stores zeros."""
        self.copy(f"{name}.weight", f"{source}/weight", part, parts)
        _, bias = self.take(f"{source}/bias", part, parts)
        if any(struct.unpack(f"<{len(bias) // 2}e", bias)):
            raise ValueError(f"{source} has a bias for keys")

    def self_attention(self, block, source):
        self.norm(f"{block}.attn_ln", f"{source}/layer_norm")
        self.linear(f"{block}.attn.query", f"{source}/linear_0", 0, 3)
        self.key(f"{block}.attn.key", f"{source}/linear_0", 1, 3)
        self.linear(f"{block}.attn.value", f"{source}/linear_0", 2, 3)
        self.linear(f"{block}.attn.out", f"{source}/linear_1")

    def cross_attention(self, block, source):
        self.norm(f"{block}.cross_attn_ln", f"{source}/layer_norm")
        self.linear(f"{block}.cross_attn.query", f"{source}/linear_0")
        self.key(f"{block}.cross_attn.key", f"{source}/linear_1", 0, 2)
        self.linear(f"{block}.cross_attn.value", f"{source}/linear_1", 1, 2)
        self.linear(f"{block}.cross_attn.out", f"{source}/linear_2")

    def feed_forward(self, block, source):
        self.norm(f"{block}.mlp_ln", f"{source}/layer_norm")
        self.linear(f"{block}.mlp.0", f"{source}/linear_0")
        self.linear(f"{block}.mlp.2", f"{source}/linear_1")

    def header(self):
        vocabulary_len, text_state = self.shape("decoder/embeddings/weight")
        audio_context, audio_state = self.shape("encoder/position_encodings/encodings")
        text_context = self.shape("decoder/position_encodings/encodings")[0]
        mel_bands = self.shape("encoder/conv1/weight")[1]
        audio_heads, text_heads = self.scalar("encoder/num_heads"), self.scalar("decoder/num_heads")
        self.numbers(MAGIC, vocabulary_len, audio_context, audio_state, audio_heads, self.layers("encoder"))
        self.numbers(text_context, text_state, text_heads, self.layers("decoder"), mel_bands, FLOAT16)
        filters = mel_filters(mel_bands)
        self.numbers(mel_bands, FFT_BINS)
        self.out.write(struct.pack(f"<{len(filters)}f", *filters))

    def words(self):
        """The tokens before the special ones, which whisper.cpp adds itself."""
        bytes_of = byte_of_letter()
        end = self.vocabulary.index("<|endoftext|>")
        self.numbers(end)
        for word in self.vocabulary[:end]:
            encoded = bytes(bytes_of[letter] for letter in word)
            self.numbers(len(encoded))
            self.out.write(encoded)

    def weights(self):
        for side in ("encoder", "decoder"):
            shape, data = self.take(f"{side}/position_encodings/encodings")
            self.put(f"{side}.positional_embedding", shape, data, as_float32=True)
        for conv in ("conv1", "conv2"):
            self.copy(f"encoder.{conv}.weight", f"encoder/{conv}/weight")
            shape, data = self.take(f"encoder/{conv}/bias")
            self.put(f"encoder.{conv}.bias", [*shape, 1], data, as_float32=True)
        for layer in range(self.layers("encoder")):
            block, source = f"encoder.blocks.{layer}", f"encoder/layer_{layer}"
            self.self_attention(block, f"{source}/self_attention")
            self.feed_forward(block, f"{source}/ffn")
        self.norm("encoder.ln_post", "encoder/layer_norm")
        self.copy("decoder.token_embedding.weight", "decoder/embeddings/weight")
        for layer in range(self.layers("decoder")):
            block, source = f"decoder.blocks.{layer}", f"decoder/layer_{layer}"
            self.self_attention(block, f"{source}/self_attention")
            self.cross_attention(block, f"{source}/attention")
            self.feed_forward(block, f"{source}/ffn")
        self.norm("decoder.ln", "decoder/layer_norm")
        unused = [name for name, (data_type, *_) in self.tensors.items() if data_type == "f2" and name not in self.used]
        if unused:
            raise ValueError(f"nobody wants {unused}")


def main():
    folder, path = sys.argv[1:3]
    with open(path, "wb") as out:
        converter = Converter(folder, out)
        converter.header()
        converter.words()
        converter.weights()


if __name__ == "__main__":
    main()
