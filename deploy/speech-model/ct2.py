"""Reads the `model.bin` of CTranslate2 (binary version 6) with the standard library only."""

import struct

# CTranslate2's number of a data type -> its name here
DATA_TYPES = {0: "f4", 1: "i1", 2: "i2", 3: "i4", 4: "f2", 5: "bf16"}


def parse(path):
    """Answers the version, the spec's name and revision, {tensor: (data type, shape, bytes)}, and {alias: tensor}."""
    with open(path, "rb") as file:
        data = file.read()
    offset = 0

    def number(code):
        nonlocal offset
        (value,) = struct.unpack_from("<" + code, data, offset)
        offset += struct.calcsize("<" + code)
        return value

    def raw(length):
        nonlocal offset
        value = data[offset : offset + length]
        offset += length
        return value

    def string():
        return raw(number("H")).rstrip(b"\0").decode()

    version, spec, revision = number("I"), string(), number("I")
    tensors = {}
    for _ in range(number("I")):
        name = string()
        shape = [number("I") for _ in range(number("B"))]
        data_type = DATA_TYPES[number("B")]
        tensors[name] = (data_type, shape, raw(number("I")))
    aliases = {}
    for _ in range(number("I")):
        alias = string()
        aliases[alias] = string()
    if offset != len(data):
        raise ValueError(f"{path}: {len(data) - offset} bytes after the end")
    return version, spec, revision, tensors, aliases
