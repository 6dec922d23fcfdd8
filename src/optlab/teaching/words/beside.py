"""The words of the page's two other parts: optimizers side by side, and a line of the program changed."""

from optlab.teaching.words.text import Text

WORDS: dict[str, Text] = {
    "page.compare": Text(en="Several optimizers, one batch", zh="同一批次，不同优化器"),
    "page.compare.what": Text(
        en="Each begins with the same weights and is given the same batches; what it remembers begins empty.",
        zh="每个优化器都从相同的权重出发，使用相同的批次，内部状态从零开始。",
    ),
    "page.compare.apart": Text(en="the weights are each one's own by now", zh="到这一步，各自的权重已经不同"),
    "page.compare.note": Text(
        en="The dashed line is the negative gradient, the arrow the update: 0° is straight down the slope.",
        zh="虚线是负梯度方向，箭头是实际的改变量：0° 表示正好沿最陡的方向下降。",
    ),
    "page.optimizer": Text(en="Optimizer", zh="优化器"),
    "page.lr": Text(en="lr", zh="学习率"),
    "page.update_length": Text(en="Length of the update", zh="改变量的长度"),
    "page.direction": Text(en="Angle to −g", zh="与 −g 的夹角"),
    "page.demo": Text(en="A line changed", zh="改动一行会怎样"),
    "page.correct": Text(en="As it should be", zh="正确的写法"),
    "page.other": Text(en="Changed", zh="改动之后"),
    "page.step_column": Text(en="Step", zh="步"),
    "page.gradient_norm": Text(en="Gradient norm", zh="梯度范数"),
    "page.followed_weight": Text(en="The weight", zh="所跟踪的权重"),
    "page.demo.no_zero_grad": Text(en="Without zero_grad", zh="漏掉 zero_grad"),
    "page.demo.no_zero_grad.what": Text(
        en="Gradients accumulate: each batch's is added to those of the batches before, and step() uses their sum.",
        zh="梯度会累加：每个批次的梯度都加到之前批次的梯度上，step() 用的是它们的总和。",
    ),
    "page.demo.no_step": Text(en="Without step", zh="漏掉 step"),
    "page.demo.no_step.what": Text(
        en="The gradient is computed, and nothing is done with it: no weight changes.",
        zh="梯度算出来了，却没有用上：权重一个也不变。",
    ),
    "page.demo.two_backwards": Text(en="backward twice", zh="调用两次 backward"),
    "page.demo.two_backwards.what": Text(
        en="The second backward() adds the same gradient once more, so the step sees it doubled.",
        zh="第二次 backward() 把同一个梯度又加了一遍，step 看到的梯度就翻倍了。",
    ),
    "page.demo.accumulate": Text(en="A batch in parts", zh="把一个批次分成几份（梯度累积）"),
    "page.demo.accumulate.what": Text(
        en="Gradients of the parts, each loss weighed by its share of the samples, add up to that of the whole batch.",
        zh="每一份的损失按样本占比加权，各份的梯度累加起来，就等于整个批次的梯度。",
    ),
    "page.demo.error": Text(
        en="Without retain_graph=True the second call ends with torch's error:",
        zh="不加 retain_graph=True 时，第二次调用会得到 torch 的报错：",
    ),
    "page.demo.once": Text(en="Gradient norm, once", zh="调用一次的梯度范数"),
    "page.demo.twice": Text(en="twice", zh="调用两次"),
    "page.demo.part": Text(en="after part {number} ({size} samples)", zh="第 {number} 份之后（{size} 个样本）"),
    "page.demo.whole": Text(en="the whole batch at once", zh="整个批次一次算完"),
    "page.demo.difference": Text(en="largest difference of any weight", zh="各权重梯度的最大差别"),
    "page.demo.draws": Text(
        en="This network draws random numbers (dropout), others for parts than for the whole: the gradients differ "
        "for that.",
        zh="该网络会抽取随机数（如 dropout），分份与整批抽到的不同，因此梯度会有差别。",
    ),
    "page.demo.weighted": Text(
        en="Samples weigh differently here, and a part's share of the samples is not its share of that weight: the "
        "gradients differ for that.",
        zh="这里各样本的权重不同，每份的样本占比不等于它的权重占比，因此梯度会有差别。",
    ),
    "page.demo.batch_norm": Text(
        en="This network has batch normalisation, which sees each part alone: the gradients differ for that.",
        zh="该网络含有批归一化，它只看到每一份自己的统计量，因此梯度会有差别。",
    ),
}
