#!/usr/bin/env python3
"""Cuts the embedded sample out of the official MNIST files.

    python3 make.py FOLDER     # FOLDER holds the four official files, unpacked

Writes four gzipped IDX files to the folder of this script: the first 10,000 training and the first 2,000 test images.
The official files are checked first. The output is reproducible: the gzip header holds no name and no time.
"""

import gzip
import hashlib
import pathlib
import struct
import sys

OFFICIAL = {
    # name: (sha256 of the official file, number of records kept, bytes of the header, bytes of a record)
    "train-images-idx3-ubyte": ("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", 10_000, 16, 784),
    "train-labels-idx1-ubyte": ("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", 10_000, 8, 1),
    "t10k-images-idx3-ubyte": ("0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", 2_000, 16, 784),
    "t10k-labels-idx1-ubyte": ("ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", 2_000, 8, 1),
}


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    here = pathlib.Path(__file__).parent
    for name, (sha256, count, header, record) in OFFICIAL.items():
        official = (pathlib.Path(sys.argv[1]) / name).read_bytes()
        if hashlib.sha256(official).hexdigest() != sha256:
            sys.exit(f"{name} is not the official file")
        # Bytes 4 to 8 of an IDX header hold the number of records.
        idx = official[:4] + struct.pack(">I", count) + official[8 : header + count * record]
        packed = gzip.compress(idx, compresslevel=9, mtime=0)
        (here / f"{name}.gz").write_bytes(packed)
        print(f"{hashlib.sha256(idx).hexdigest()}  {name} (unpacked; {len(packed)} bytes packed)")


if __name__ == "__main__":
    main()
