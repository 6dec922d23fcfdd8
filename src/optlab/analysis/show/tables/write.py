"""Tables as text: Markdown, LaTeX and CSV. The page (report.html.j2) and the terminal draw them for themselves."""

import csv
import io
import re
from collections.abc import Sequence

from optlab.analysis.show.tables.table import Table

LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"}
LATEX |= {"|": r"\textbar{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$"}
LATEX |= {"±": r"$\pm$", "−": "$-$", "–": "--", "∞": r"$\infty$", "★": r"$\star$", "·": r"$\cdot$", "≥": r"$\geq$"}
# What Markdown takes for markup: HTML, entities, links, formulas, emphasis, cells. An underscore within a word is none.
MARKUP = r"<(?=[\w/!?])|&(?=#?\w+;)|\](?=\()|[\\`*$|~]|(?<!\w)_|_(?!\w)"
ENTITIES = {"<": "&lt;", "&": "&amp;"}


def markdown(tables: Sequence[Table]) -> str:
    """GitHub's Markdown, a heading and a note each."""
    parts = []
    for table in tables:
        columns = table.headed
        rule = [":--" if column.left else "--:" for column in columns]
        body = [[as_text(row.cells[column.name].text) for column in columns] for row in table.rows]
        lines = ["| " + " | ".join(row) + " |" for row in ([c.heading or "" for c in columns], rule, *body)]
        parts.append(f"## {as_text(table.title)}\n\n" + "\n".join(lines) + (f"\n\n{table.note}" if table.note else ""))
    return "\n\n".join(parts) + "\n"


def as_text(text: str) -> str:
    """A text that Markdown shows as it is: no markup, no HTML, no formula, and no end of a cell."""
    return re.sub(MARKUP, lambda at: ENTITIES.get(at[0], "\\" + at[0]), re.sub(r"\s+", " ", text))


def latex(tables: Sequence[Table]) -> str:
    """LaTeX with booktabs, a table environment each; strong rows in bold."""
    parts = ["% needs \\usepackage{booktabs}, and XeLaTeX or LuaLaTeX where names are in another script"]
    for table in tables:
        columns = table.headed
        align = "".join("l" if column.left else "r" for column in columns)
        lines = [" & ".join(escape(column.heading or "") for column in columns) + r" \\", r"\midrule"]
        for row in table.rows:
            texts = [escape(row.cells[column.name].text) for column in columns]
            lines.append(" & ".join(rf"\textbf{{{t}}}" if row.strong and t else t for t in texts) + r" \\")
        body = "\n".join([rf"\begin{{tabular}}{{{align}}}", r"\toprule", *lines, r"\bottomrule", r"\end{tabular}"])
        caption = escape(f"{table.title}. {table.note}".strip())
        label = rf"\label{{tab:{table.id}}}"
        parts.append(
            "\n".join([r"\begin{table}", r"\centering", body, rf"\caption{{{caption}}}", label, r"\end{table}"])
        )
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    return "".join(LATEX.get(char, char) for char in text)


def as_csv(table: Table) -> str:
    """Every column by its name, the values as they are; nothing where there is no value."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([column.name for column in table.columns])
    writer.writerows([row.cells[column.name].value for column in table.columns] for row in table.rows)
    return buffer.getvalue()
