"""The words of mode=trace: what the terminal says of a step, and what the page says of it too."""

from optlab.teaching.words.text import Text

WORDS: dict[str, Text] = {
    "trace.title": Text(
        en="{optimizer} on {dataset}, {model} ({parameters} parameters): the step, taken apart",
        zh="{optimizer}，数据 {dataset}，模型 {model}（{parameters} 个参数）：逐行拆解一次更新",
    ),
    "trace.run": Text(
        en="loss {loss}, lr {lr} ({schedule}), batch size {batch}, seed {seed}, {device}, {precision}",
        zh="损失函数 {loss}，学习率 {lr}（{schedule}），批次大小 {batch}，种子 {seed}，{device}，{precision}",
    ),
    "trace.step": Text(
        en="Step {step}: epoch {epoch}, batch {batch}, {samples} samples, lr {lr}",
        zh="第 {step} 步：第 {epoch} 轮，第 {batch} 个批次，{samples} 个样本，学习率 {lr}",
    ),
    "trace.training": Text(
        en="training to step {step}, which is the first to be shown",
        zh="先训练到第 {step} 步，从那里开始显示",
    ),
    "trace.fewer": Text(
        en="the run has {total} steps, so {shown} are shown",
        zh="整个训练只有 {total} 步，所以只显示 {shown} 步",
    ),
    "trace.sample": Text(en="sample", zh="样本"),
    "trace.output": Text(en="output", zh="输出"),
    "trace.target": Text(en="target", zh="目标"),
    "trace.loss": Text(en="loss", zh="损失"),
    "trace.mean": Text(
        en="the mean of the {count} samples' losses is the loss: {loss}",
        zh="{count} 个样本损失的平均值就是损失：{loss}",
    ),
    "trace.weighted": Text(
        en="the loss is a weighted mean of the {count} samples' losses: {loss} (their plain mean: {mean})",
        zh="损失是 {count} 个样本损失的加权平均：{loss}（普通平均：{mean}）",
    ),
    "trace.loss_alone": Text(en="the loss of the batch: {loss}", zh="这个批次的损失：{loss}"),
    "trace.evaluations": Text(
        en="this optimizer asks for the loss and its gradient {count} times within the step; the first is shown",
        zh="这个优化器在一步之内要计算 {count} 次损失和梯度，这里显示第一次",
    ),
    "trace.none": Text(en="none", zh="无"),
    "trace.zero_grad": Text(
        en="gradient norm before: {before}, after: {after}",
        zh="梯度范数：清零前 {before}，清零后 {after}",
    ),
    "trace.zero_grad_first": Text(
        en="no gradient yet, so there is nothing to forget",
        zh="还没有梯度，所以没有什么要清零",
    ),
    "trace.gradient_of": Text(en="gradient of", zh="梯度属于"),
    "trace.update_of": Text(en="update of", zh="更新属于"),
    "trace.shape": Text(en="shape", zh="形状"),
    "trace.norm": Text(en="norm", zh="范数"),
    "trace.largest": Text(en="largest", zh="最大"),
    "trace.smallest": Text(en="smallest", zh="最小"),
    "trace.weight_norm": Text(en="weight norm", zh="权重范数"),
    "trace.ratio": Text(en="update/weight", zh="更新/权重"),
    "trace.more_parameters": Text(
        en=("and {n} parameter more, in trace.json", "and {n} parameters more, in trace.json"),
        zh="另有 {n} 个参数，见 trace.json",
    ),
    "trace.gradient_norm": Text(
        en="gradient norm {norm}; largest and smallest are absolute values",
        zh="梯度范数 {norm}；最大、最小均指绝对值",
    ),
    "trace.clipped": Text(
        en="clipped to norm {norm}, which is what the optimizer reads (trainer.gradient_clip_val={value})",
        zh="裁剪后范数为 {norm}，优化器读到的就是它（trainer.gradient_clip_val={value}）",
    ),
    "trace.gathered": Text(
        en="gathered over {count} batches; the norm after each: {norms}",
        zh="累积了 {count} 个批次的梯度；每次之后的范数：{norms}",
    ),
    "trace.update_norm": Text(
        en="update norm {norm}, at {angle}° to the negative gradient (cosine {cosine})",
        zh="更新的范数 {norm}，与负梯度的夹角 {angle}°（余弦 {cosine}）",
    ),
    "trace.line_forward": Text(en="forward", zh="前向计算"),
    "trace.line_zero_grad": Text(en="forget the last gradient", zh="清空上一次的梯度"),
    "trace.line_backward": Text(en="the gradient of the loss", zh="求损失的梯度"),
    "trace.line_step": Text(en="change the weights", zh="更新权重"),
    "trace.line_again": Text(en="the same batch with the new weights", zh="用新权重再算同一个批次"),
    "trace.line_next": Text(en="the next batch with the new weights", zh="用新权重算下一个批次"),
    "trace.after": Text(
        en="loss {loss}: it fell by {actual}; to first order, -g·Δw, it should have fallen by {predicted}",
        zh="损失 {loss}：下降了 {actual}；按一阶近似 -g·Δw 应下降 {predicted}",
    ),
    "trace.next": Text(en="loss {loss}", zh="损失 {loss}"),
    "trace.predicted_alone": Text(
        en="to first order, -g·Δw, the loss should have fallen by {predicted}",
        zh="按一阶近似 -g·Δw，损失应下降 {predicted}",
    ),
    "trace.weight_typed": Text(en="One weight, followed: {weight}", zh="跟踪一个权重：{weight}"),
    "trace.weight_moved_most": Text(
        en="One weight, followed: {weight}, which moved most in the first step shown",
        zh="跟踪一个权重：{weight}，它在所示第一步中变化最大",
    ),
    "trace.weight_change": Text(
        en="weight {before} → {after} (change {change}); gradient {gradient}",
        zh="权重 {before} → {after}（变化 {change}）；梯度 {gradient}",
    ),
    "trace.weight_clipped": Text(en="clipped gradient {gradient}", zh="裁剪后的梯度 {gradient}"),
    "trace.effective_step": Text(
        en="change for each unit of gradient: {value}",
        zh="每单位梯度引起的变化：{value}",
    ),
    "trace.state": Text(en="kept by the optimizer", zh="优化器保存的量"),
    "trace.before": Text(en="before", zh="之前"),
    "trace.after_step": Text(en="after", zh="之后"),
    "trace.no_state": Text(en="the optimizer keeps nothing about this weight", zh="优化器没有为这个权重保存任何量"),
    "trace.hyperparameters": Text(en="hyperparameters: {settings}", zh="超参数：{settings}"),
    "trace.no_formula": Text(
        en="the formula of {cls} is not on file; all the rest is shown",
        zh="没有收录 {cls} 的公式；其余内容照常显示",
    ),
    "trace.untouched": Text(
        en="no optimizer read a gradient of this weight in this step, so it stays as it is",
        zh="这一步里没有优化器读取该权重的梯度，所以它保持不变",
    ),
    "trace.not_finite": Text(
        en="gradients of this parameter are not finite here, so its formula is not worked through",
        zh="这个参数的梯度里有非有限的数，因此不按公式计算",
    ),
    "trace.other_precision": Text(
        en="formulas are worked through in float64, float32 and bfloat16 only",
        zh="公式只按 float64、float32 和 bfloat16 计算",
    ),
    "trace.formula": Text(
        en="The step by its formula: {name} ({source})",
        zh="按公式逐步计算：{name}（{source}）",
    ),
    "trace.torch": Text(
        en=("torch: {value}, {n} ulp apart", "torch: {value}, {n} ulps apart"),
        zh="torch：{value}，相差 {n} ulp",
    ),
    "trace.per_gradient": Text(
        en="effective step, by which a unit of a gradient that stays as it is moves this weight: {value}",
        zh="有效步长（梯度保持不变时，每单位梯度使该权重移动多少）：{value}",
    ),
    "trace.per_sign": Text(
        en="effective step, by which every weight moves whatever its gradient's size: {value}",
        zh="有效步长（无论梯度大小，每个权重都移动这么多）：{value}",
    ),
    "trace.per_matrix": Text(
        en="effective step, by which the orthogonal matrix is multiplied: {value}",
        zh="有效步长（正交矩阵所乘的系数）：{value}",
    ),
    "trace.all_ulps": Text(
        en="of the {of} weights of {parameter}, {same} have the same bits by formula and by torch, {next} are 1 ulp "
        "apart; the most is {most} (a number next to 0 has tiny ulps)",
        zh="{parameter} 的 {of} 个权重中，公式与 torch 逐位相同的有 {same} 个，相差 1 ulp 的有 {next} 个；"
        "最多相差 {most} ulp（接近 0 的数，1 ulp 极小）",
    ),
    "trace.histogram": Text(
        en="updates of all weights of {parameter}; ◀ marks the one followed",
        zh="{parameter} 全部权重的更新；◀ 标出所跟踪的那一个",
    ),
    "trace.unknown.forward": Text(
        en="the LightningModule takes its own steps: outputs, targets and each sample's loss are known to it alone",
        zh="LightningModule 自己完成训练步：输出、目标和每个样本的损失只有它自己知道",
    ),
    "trace.unknown.after": Text(
        en="the same batch cannot be evaluated again from outside, so the loss after the step is not shown",
        zh="无法从外部对同一批次再算一次，所以不显示更新后的损失",
    ),
    "trace.unknown.outputs": Text(
        en="the outputs of a sample are too many to show",
        zh="每个样本的输出太多，不便显示",
    ),
    "trace.unknown.next": Text(en="there is no next batch: the run ends here", zh="没有下一个批次：训练到此结束"),
    "trace.unknown.zero_grad": Text(
        en="zero_grad was not called where it can be seen",
        zh="看不到 zero_grad 的调用",
    ),
    "trace.picture": Text(en="picture      {path}", zh="图片      {path}"),
    "trace.written": Text(en="all numbers  {path}", zh="全部数字  {path}"),
    "trace.page": Text(en="the page     {path}", zh="网页      {path}"),
    "trace.diverged": Text(
        en="the run diverged: {what}; the steps before are shown",
        zh="训练发散：{what}；这里显示此前的步",
    ),
}
