"""The words of trace.compare and trace.demo."""

from optlab.teaching.words.text import Text

WORDS: dict[str, Text] = {
    "trace.compare.title": Text(
        en="The same weights and batches given to several optimizers",
        zh="把同样的权重和批次交给几个优化器",
    ),
    "trace.compare.what": Text(
        en="each begins with an empty state, at the lr of its own file or as typed, and goes on by itself from its "
        "first step",
        zh="每个优化器都从空的状态出发，用各自配置文件里的学习率（或命令行指定的），从第一步起各走各的",
    ),
    "trace.compare.step": Text(
        en="Step {step}: epoch {epoch}, batch {batch}",
        zh="第 {step} 步：第 {epoch} 轮，第 {batch} 个批次",
    ),
    "trace.compare.optimizer": Text(en="optimizer", zh="优化器"),
    "trace.compare.lr": Text(en="lr", zh="学习率"),
    "trace.compare.update_norm": Text(en="length of Δw", zh="Δw 长度"),
    "trace.compare.angle": Text(en="° to -g", zh="与 -g 夹角°"),
    "trace.compare.loss": Text(en="loss before", zh="更新前损失"),
    "trace.compare.after": Text(en="loss after", zh="更新后损失"),
    "trace.compare.fall": Text(en="fell by", zh="下降"),
    "trace.compare.predicted": Text(en="-g·Δw", zh="-g·Δw"),
    "trace.compare.evaluations": Text(
        en="{name} computed the loss and its gradient {count} times in its first step",
        zh="{name} 在第一步里计算了 {count} 次损失和梯度",
    ),
    "trace.demo.no_zero_grad": Text(en="Without optimizer.zero_grad()", zh="不写 optimizer.zero_grad()"),
    "trace.demo.no_zero_grad.what": Text(
        en="backward() adds to the gradient that is there, so each step follows the sum of all gradients so far",
        zh="backward() 把新梯度加到已有的梯度上，于是每一步用的都是至今所有梯度之和",
    ),
    "trace.demo.no_step": Text(en="Without optimizer.step()", zh="不写 optimizer.step()"),
    "trace.demo.no_step.what": Text(
        en="the gradient is computed and nobody uses it: no weight changes",
        zh="梯度算出来了却没有人用：权重一个也不变",
    ),
    "trace.demo.two_backwards": Text(en="loss.backward() twice", zh="连写两次 loss.backward()"),
    "trace.demo.two_backwards.what": Text(
        en="the first call frees what the second would need; with retain_graph=True the gradient is added twice",
        zh="第一次调用会释放第二次所需的中间结果；写上 retain_graph=True，梯度就被加了两遍",
    ),
    "trace.demo.accumulate": Text(en="Gradients accumulated as they should be", zh="正确地累积梯度"),
    "trace.demo.accumulate.what": Text(
        en="the batch in parts, each part's loss weighed by its share, backward() for each, then one step",
        zh="把批次分成几份，每份的损失按所占比例加权，逐份 backward()，最后只走一步",
    ),
    "trace.demo.step": Text(en="step", zh="步"),
    "trace.demo.correct": Text(en="correct", zh="正确"),
    "trace.demo.other": Text(en="this way", zh="这样写"),
    "trace.demo.loss": Text(en="loss", zh="损失"),
    "trace.demo.gradient_norm": Text(en="gradient norm", zh="梯度范数"),
    "trace.demo.weight": Text(en="the weight after", zh="更新后的权重"),
    "trace.demo.error": Text(en="what torch says at the second call:", zh="第二次调用时 torch 报错："),
    "trace.demo.no_error": Text(
        en="nothing: this network keeps nothing for backward()",
        zh="没有报错：这个网络没有为 backward() 保存任何量",
    ),
    "trace.demo.doubled": Text(
        en="gradient norm once {once}, twice {twice}: {ratio} times; from twice each number at most {difference} away",
        zh="梯度范数：一次 {once}，两次 {twice}，是 {ratio} 倍；与逐个数的两倍相比，最大相差 {difference}",
    ),
    "trace.demo.parts": Text(
        en="{n} parts of {sizes} samples; gradient norm after each backward(): {norms}",
        zh="{n} 份，样本数 {sizes}；每次 backward() 之后的梯度范数：{norms}",
    ),
    "trace.demo.difference": Text(
        en="the whole batch at once: norm {whole}; no number differs by more than {difference}, all by {relative}",
        zh="整个批次一次算出：范数 {whole}；最大相差 {difference}，差的范数与之相比为 {relative}",
    ),
    "trace.demo.draws": Text(
        en="the network draws random numbers (dropout), others for parts than for the whole: hence more than rounding",
        zh="网络会抽取随机数（如 dropout），分份与整批抽到的不同，所以两者之差不只是舍入误差",
    ),
    "trace.demo.weighted": Text(
        en="samples weigh differently here (by class, or by how many positions count), and a part's share of the "
        "samples is not its share of that weight: hence more than rounding",
        zh="这里各样本的权重不同（按类别，或按计入的位置数），每份的样本占比不等于权重占比，所以两者之差不只是舍入误差",
    ),
    "trace.demo.batch_norm": Text(
        en="batch norm takes mean and variance over each part, so here the two differ by more than rounding",
        zh="批归一化在每一份内部求均值和方差，所以这里两者之差不只是舍入误差",
    ),
}
