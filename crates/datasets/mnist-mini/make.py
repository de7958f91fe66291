#!/usr/bin/env python3
"""Takes the embedded sample from the official MNIST files.

    python3 make.py FOLDER     # FOLDER holds the four official files, unpacked

Writes four gzipped IDX files to the folder of this script: 10,000 training and 2,000 test images. Each class has its share
of the official images, rounded by largest remainder, and its images are taken at equal distances from the first to the last,
because those of a file are not equally difficult throughout. They stay in their order.
The official files are checked first. The output is reproducible: the gzip header holds no name and no time.
"""

import gzip
import hashlib
import pathlib
import struct
import sys

OFFICIAL = {
    # name: (sha256 of the official file, bytes of the header, bytes of a record)
    "train-images-idx3-ubyte": ("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", 16, 784),
    "train-labels-idx1-ubyte": ("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", 8, 1),
    "t10k-images-idx3-ubyte": ("0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", 16, 784),
    "t10k-labels-idx1-ubyte": ("ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", 8, 1),
}
KEPT = {"train": 10_000, "t10k": 2_000}


def shares(count: int, sizes: list[int]) -> list[int]:
    """Distributes `count` in proportion to `sizes`, rounded by largest remainder; ties go to the lower class."""
    total = sum(sizes)
    shares = [count * size // total for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda i: -(count * sizes[i] % total))
    for i in by_remainder[: count - sum(shares)]:
        shares[i] += 1
    return shares


def sample(labels: bytes, count: int) -> list[int]:
    """The indices of the images that are kept."""
    classes = [[i for i, label in enumerate(labels) if label == of] for of in range(10)]
    kept = shares(count, [len(members) for members in classes])
    return sorted(members[i * len(members) // share] for members, share in zip(classes, kept) for i in range(share))


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    here = pathlib.Path(__file__).parent
    official = {name: (pathlib.Path(sys.argv[1]) / name).read_bytes() for name in OFFICIAL}
    for name, content in official.items():
        if hashlib.sha256(content).hexdigest() != OFFICIAL[name][0]:
            sys.exit(f"{name} is not the official file")
    for name, (_, header, record) in OFFICIAL.items():
        split = name.split("-")[0]
        indices = sample(official[f"{split}-labels-idx1-ubyte"][8:], KEPT[split])
        records = [official[name][header + i * record : header + (i + 1) * record] for i in indices]
        # Bytes 4 to 8 of an IDX header hold the number of records.
        idx = official[name][:4] + struct.pack(">I", len(indices)) + official[name][8:header] + b"".join(records)
        packed = gzip.compress(idx, compresslevel=9, mtime=0)
        (here / f"{name}.gz").write_bytes(packed)
        print(f"{hashlib.sha256(idx).hexdigest()}  {name} (unpacked; {len(packed)} bytes packed)")


if __name__ == "__main__":
    main()
