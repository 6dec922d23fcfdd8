"""The words around a formula on the page: its three lines, torch's value, the sliders."""

from optlab.teaching.words.text import Text

WORDS: dict[str, Text] = {
    "page.formula": Text(en="The formula", zh="公式"),
    "page.formula.what": Text(
        en="In symbols, with this run's numbers put in, and the result beside torch's own value. "
        "Point at a symbol to see its number.",
        zh="依次是：符号、代入本次运行的数值、结果；旁边是 torch 自己算出的值。把指针移到符号上可看到对应的数值。",
    ),
    "page.no_formula": Text(
        en="No formula is on file for {cls}. Everything else on this page is as it was computed.",
        zh="没有收录 {cls} 的公式。本页其余内容仍是实际计算的结果。",
    ),
    "page.same_bits": Text(en="the same to the last bit", zh="每一位都相同"),
    "page.same_rounded": Text(en="the same, rounded to {precision}", zh="舍入到 {precision} 后相同"),
    "page.ulps": Text(en=("{n} ulp apart", "{n} ulps apart"), zh="相差 {n} ulp"),
    "page.ulps.what": Text(
        en="An ulp is the distance from a number to the next one that its format can hold.",
        zh="ulp 是一个浮点数到相邻浮点数的距离。",
    ),
    "page.departs": Text(en="torch and the textbooks", zh="torch 与教科书"),
    "page.source": Text(en="Source:", zh="出处："),
    "page.sliders": Text(en="What if?", zh="如果换成别的值？"),
    "page.sliders.what": Text(
        en="Move a slider: the formula is computed again here, for this one weight and this one step.",
        zh="拖动滑块，本页会为这个权重、这一步重新计算公式。",
    ),
    "page.moved": Text(
        en="These numbers are the page's, for the sliders as they stand; torch's are of the run.",
        zh="现在显示的数值由本页按滑块的位置算出；torch 的值属于实际运行。",
    ),
    "page.reset": Text(en="Back to the run's values", zh="恢复本次运行的值"),
    "page.run_change": Text(en="the run", zh="本次运行"),
    "page.your_change": Text(en="the sliders", zh="滑块"),
}
