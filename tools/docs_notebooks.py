"""Turn notebooks with their outputs into pages of the documentation."""

import json
import re
from pathlib import Path

ALT = "Chart or images; the text says what they show"
LIMIT = 40  # lines of a printed output; the rest is in the notebook


def to_page(path: Path) -> str:
    """Return a notebook as Markdown: texts, code, tables as HTML, images inline."""
    notebook = json.loads(path.read_text("utf-8"))
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"]).strip()
        if cell["cell_type"] == "markdown":
            parts.append(source)
        elif cell["cell_type"] == "code":
            if not _is_setup(source):
                code = re.sub(r"^%.*\n", "", source, flags=re.MULTILINE)
                parts.append(f"```py\n{code}\n```")
            parts += [text for output in cell["outputs"] if (text := _output(output))]
    return "\n\n".join(parts) + "\n"


def _is_setup(source: str) -> bool:
    """Return whether a cell only installs the package, or shows text that its output has."""
    return "%pip install" in source or re.search("^Markdown\\(", source, re.MULTILINE) is not None


def _output(output: dict) -> str:
    data = output.get("data", {})
    for kind in ("image/png", "image/jpeg"):
        if kind in data:
            content = "".join(data[kind]).replace("\n", "")
            return f'<img alt="{ALT}" src="data:{kind};base64,{content}">'
    if "text/markdown" in data:
        return "".join(data["text/markdown"])
    if "text/html" in data:
        return f'<div class="output" markdown="0">\n{_table("".join(data["text/html"]))}\n</div>'
    text = "".join(output.get("text") or data.get("text/plain") or "").rstrip()
    lines = text.splitlines()
    if len(lines) > LIMIT:
        text = "\n".join([*lines[:LIMIT], f"… {len(lines) - LIMIT} more lines"])
    return f"```text\n{text}\n```" if text else ""


def _table(html: str) -> str:
    """Return the HTML of an output in one block: Markdown ends a block at an empty line."""
    html = re.sub(r"<style scoped>.*?</style>", "", html, flags=re.DOTALL)
    html = html.replace(' border="1" class="dataframe"', "")
    return re.sub(r"\n\s*\n", "\n", html)
