"""What each symbol of a formula is called."""

from optlab.teaching.words.text import Text

WORDS: dict[str, Text] = {
    "symbol.g": Text(en="gradient of this batch", zh="这个批次的梯度"),
    "symbol.g_used": Text(en="gradient as the formula goes on with it", zh="实际代入公式的梯度"),
    "symbol.w_prev": Text(en="weight before the step", zh="更新前的权重"),
    "symbol.w_decayed": Text(en="weight after weight decay", zh="权重衰减之后的权重"),
    "symbol.w": Text(en="weight after the step", zh="更新后的权重"),
    "symbol.n": Text(en="steps taken before this one", zh="此前已走的步数"),
    "symbol.t": Text(en="number of this step", zh="这是第几步"),
    "symbol.first": Text(en="whether this is the weight's first step", zh="是否是这个权重的第一步"),
    "symbol.lr": Text(en="learning rate", zh="学习率"),
    "symbol.weight_decay": Text(en="weight decay", zh="权重衰减系数"),
    "symbol.momentum": Text(en="momentum", zh="动量系数"),
    "symbol.dampening": Text(en="dampening", zh="阻尼系数"),
    "symbol.beta1": Text(en="decay of the mean gradient", zh="一阶矩的衰减率"),
    "symbol.beta2": Text(en="decay of the mean square", zh="二阶矩的衰减率"),
    "symbol.eps": Text(en="a small number against division by 0", zh="防止除以 0 的小常数"),
    "symbol.b_prev": Text(en="momentum buffer before the step", zh="更新前的动量缓冲"),
    "symbol.b": Text(en="momentum buffer", zh="动量缓冲"),
    "symbol.u": Text(en="direction of the step", zh="更新方向"),
    "symbol.m_prev": Text(en="mean gradient before the step", zh="更新前的一阶矩（梯度均值）"),
    "symbol.m": Text(en="running mean of gradients", zh="一阶矩：梯度的滑动平均"),
    "symbol.v_prev": Text(en="mean square before the step", zh="更新前的二阶矩（梯度平方均值）"),
    "symbol.v": Text(en="running mean of squared gradients", zh="二阶矩：梯度平方的滑动平均"),
    "symbol.v_max_prev": Text(en="largest mean square before the step", zh="更新前的最大二阶矩"),
    "symbol.v_max": Text(en="largest mean square so far", zh="迄今最大的二阶矩"),
    "symbol.m_hat": Text(en="mean gradient, bias corrected", zh="偏差修正后的一阶矩"),
    "symbol.v_hat": Text(en="mean square, bias corrected", zh="偏差修正后的二阶矩"),
}
