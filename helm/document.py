"""Write the table of values in README.md from the comments in values.yaml: python helm/document.py."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent
START, END = "<!-- values -->\n", "<!-- end of values -->\n"


def values(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield key, default and description of each value with a comment `# -- ...` above it, in their order."""
    content, path, description = yaml.safe_load(text), list[tuple[int, str]](), ""
    for line in text.splitlines():
        if comment := re.fullmatch(r" *# -- (.*)", line):
            description = comment[1]
        elif key := re.match(r"( *)(\w+):", line):
            path = [*(step for step in path if step[0] < len(key[1])), (len(key[1]), key[2])]
            if description:
                keys = [name for _, name in path]
                yield ".".join(keys), json.dumps(_at(content, keys), ensure_ascii=False), description
            description = ""


def _at(content: Any, keys: list[str]) -> Any:
    for key in keys:
        content = content[key]
    return content


def readme(text: str, rows: Iterator[tuple[str, str, str]]) -> str:
    """Return the README with its table made anew."""
    before, rest = text.split(START)
    table = "".join(f"| `{key}` | `{default}` | {description} |\n" for key, default, description in rows)
    return f"{before}{START}| value | default | meaning |\n|---|---|---|\n{table}{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    file = CHART / "README.md"
    file.write_text(readme(file.read_text(), values((CHART / "values.yaml").read_text())))
