"""The words of trace.html: its frame, its controls and what the step shows beside the formula."""

from optlab.teaching.words.text import Text

WORDS: dict[str, Text] = {
    # the frame
    "page.brand": Text(en="the step, taken apart", zh="逐行拆解一步更新"),
    "page.title": Text(en="One step of {optimizer}, line by line", zh="{optimizer} 的一步更新，逐行看清"),
    "page.sub": Text(
        en="{model} on {dataset} · {loss} · lr {lr} · batches of {batch} · seed {seed}",
        zh="{model} · 数据集 {dataset} · 损失函数 {loss} · 学习率 {lr} · 批次大小 {batch} · 随机种子 {seed}",
    ),
    "page.made_by": Text(en="Made by", zh="生成本页的命令"),
    "page.trains": Text(en="The run itself", zh="对应的训练命令"),
    "page.skip": Text(en="Skip to the step", zh="跳到正文"),
    "page.contents": Text(en="contents", zh="目录"),
    "page.steps": Text(en="The step", zh="一步更新"),
    "page.theme": Text(en="light, dark, or as the system", zh="浅色、深色，或跟随系统"),
    "page.theme.auto": Text(en="auto", zh="自动"),
    "page.theme.light": Text(en="light", zh="浅色"),
    "page.theme.dark": Text(en="dark", zh="深色"),
    "page.needs_script": Text(
        en="Without JavaScript all of the page is shown at once, and the sliders do not move.",
        zh="未启用 JavaScript：全部内容一次显示，滑块不可用。",
    ),
    # stepping through
    "page.step_of": Text(en="Step {step}", zh="第 {step} 步"),
    "page.which_step": Text(en="which step", zh="选择第几步"),
    "page.where": Text(
        en="epoch {epoch}, batch {batch}, {n} samples", zh="第 {epoch} 轮，第 {batch} 个批次，{n} 个样本"
    ),
    "page.code": Text(en="The loop", zh="训练循环"),
    "page.code.same": Text(en="the same batch, the new weights", zh="同一批次，新的权重"),
    "page.code.next": Text(en="the next batch", zh="下一个批次"),
    "page.back": Text(en="Back", zh="上一行"),
    "page.on": Text(en="Next line", zh="下一行"),
    "page.keys": Text(en="or the arrow keys ← →", zh="也可用方向键 ← →"),
    "page.all": Text(en="Show every line", zh="全部展开"),
    "page.one": Text(en="One line at a time", zh="逐行显示"),
    # forward
    "page.forward": Text(en="Forward: outputs and the loss", zh="前向传播：输出与损失"),
    "page.forward.what": Text(
        en="The network turns each sample into outputs; the loss says how far they are from the targets.",
        zh="网络把每个样本算成输出，损失函数衡量输出与目标相差多远。",
    ),
    "page.sample": Text(en="Sample", zh="样本"),
    "page.outputs": Text(en="Outputs", zh="输出"),
    "page.target": Text(en="Target", zh="目标"),
    "page.loss": Text(en="Loss", zh="损失"),
    "page.mean_of": Text(
        en=("Its loss: {value}", "The mean of the {n} losses: {value}"), zh="{n} 个样本损失的均值：{value}"
    ),
    "page.weighted": Text(
        en="Samples weigh differently: the network is trained by {value}.",
        zh="各样本的权重不同：实际用于训练的损失是 {value}。",
    ),
    "page.loss_is": Text(en="The loss: {value}", zh="损失：{value}"),
    "page.strip": Text(
        en="Each dot is the loss of one sample; the line is their mean.", zh="每个点是一个样本的损失，竖线是均值。"
    ),
    "page.outlined": Text(
        en="The outlined cell is the target's, the bold one the largest.",
        zh="带框的格子对应目标类别，粗体是最大的输出。",
    ),
    "page.more": Text(en="{n} more", zh="另有 {n} 个"),
    "page.evaluations": Text(
        en="This optimizer evaluated the loss and its gradient {n} times in this step; the first is shown.",
        zh="该优化器在这一步里对损失和梯度求值 {n} 次，这里显示第一次。",
    ),
    # zero_grad
    "page.zero_grad": Text(en="zero_grad: forget the old gradient", zh="zero_grad：清掉旧梯度"),
    "page.zero_grad.what": Text(
        en="backward() adds to whatever gradient is there. So the one of the step before is removed first.",
        zh="backward() 会把新梯度累加到已有的梯度上，所以要先清掉上一步留下的梯度。",
    ),
    "page.norm_before": Text(en="Gradient norm before", zh="清零前的梯度范数"),
    "page.norm_after": Text(en="after", zh="清零后"),
    "page.no_gradient": Text(en="there is none", zh="没有梯度"),
    "page.dropped": Text(
        en="torch drops the old gradient altogether: grad is None, not 0.",
        zh="torch 直接丢弃旧梯度：grad 变成 None，而不是 0。",
    ),
    # backward
    "page.backward": Text(en="backward: the gradient of every weight", zh="backward：求每个权重的梯度"),
    "page.backward.what": Text(
        en="For each weight: by how much the loss would rise if that weight grew a little.",
        zh="对每个权重：它增大一点点时，损失会随之上升多少。",
    ),
    "page.parameter": Text(en="Parameter", zh="参数"),
    "page.shape": Text(en="Shape", zh="形状"),
    "page.norm": Text(en="Norm", zh="范数"),
    "page.largest": Text(en="Largest", zh="最大绝对值"),
    "page.smallest": Text(en="Smallest", zh="最小绝对值"),
    "page.all_parameters": Text(en="all parameters", zh="全部参数"),
    "page.clipped": Text(
        en="Clipped: the optimizer reads a gradient of norm {value}.", zh="已裁剪：优化器读到的梯度范数是 {value}。"
    ),
    "page.gathered": Text(
        en="Gathered over {n} batches; the norm after each: {norms}",
        zh="由 {n} 个批次累积；每个批次之后的范数：{norms}",
    ),
    # step
    "page.step": Text(en="step: every weight moves", zh="step：更新每个权重"),
    "page.step.what": Text(
        en="The optimizer turns gradients into changes of the weights. One weight is followed through.",
        zh="优化器把梯度变成权重的改变量。下面跟踪其中一个权重。",
    ),
    "page.followed": Text(en="One weight, followed through", zh="跟踪一个权重"),
    "page.moved_most": Text(en="the one that moved most", zh="变化最大的那个"),
    "page.typed": Text(en="as you chose", zh="由你指定"),
    "page.gradient": Text(en="Gradient", zh="梯度"),
    "page.gradient_clipped": Text(en="Gradient, clipped", zh="裁剪后的梯度"),
    "page.before": Text(en="Before", zh="更新前"),
    "page.after_step": Text(en="After", zh="更新后"),
    "page.change": Text(en="Change", zh="改变量"),
    "page.effective": Text(en="Effective step", zh="有效步长"),
    "page.effective.gradient": Text(
        en="by how much a unit of a gradient that stays as it is moves this weight",
        zh="梯度保持不变时，每单位梯度使该权重移动多少",
    ),
    "page.effective.sign": Text(
        en="by how much every weight moves, whatever its gradient's size", zh="无论梯度大小，每个权重都移动这么多"
    ),
    "page.effective.matrix": Text(en="what the orthogonal matrix is multiplied by", zh="正交矩阵所乘的系数"),
    "page.per_unit": Text(en="−Δw / g", zh="−Δw / g"),
    "page.per_unit.what": Text(
        en="how far this step moved the weight for each unit of its gradient", zh="这一步里每单位梯度使权重移动了多少"
    ),
    "page.state": Text(en="What the optimizer remembers of this weight", zh="优化器为这个权重保存的状态"),
    "page.quantity": Text(en="Quantity", zh="量"),
    "page.stateless": Text(en="It keeps no number for this weight alone.", zh="没有单独为这个权重保存任何量。"),
    "page.updates": Text(en="The updates of this layer", zh="这一层所有权重的改变量"),
    "page.histogram": Text(
        en="How the changes of all weights of {parameter} are spread; the triangle is the weight above.",
        zh="{parameter} 所有权重改变量的分布，三角形标出上面跟踪的权重。",
    ),
    "page.every_parameter": Text(en="Every parameter", zh="所有参数"),
    "page.update_norm": Text(en="Update norm", zh="改变量的范数"),
    "page.weight_norm": Text(en="Weight norm", zh="权重的范数"),
    "page.ratio": Text(en="Ratio", zh="比值"),
    "page.angle": Text(
        en="The update points {degrees}° away from the negative gradient (cosine {cosine}).",
        zh="改变量的方向与负梯度相差 {degrees}°（余弦 {cosine}）。",
    ),
    # after, next
    "page.after": Text(en="The same batch again", zh="同一批次再算一次"),
    "page.after.what": Text(
        en="With the new weights. To first order the loss falls by −g·Δw; curvature makes the rest.",
        zh="换上新的权重。按一阶近似，损失下降 −g·Δw，其余来自曲率。",
    ),
    "page.loss_before": Text(en="Loss before", zh="更新前的损失"),
    "page.loss_after": Text(en="Loss after", zh="更新后的损失"),
    "page.fell": Text(en="It fell by", zh="实际下降"),
    "page.predicted": Text(en="Predicted, −g·Δw", zh="预测下降 −g·Δw"),
    "page.next": Text(en="The next batch", zh="下一个批次"),
    "page.next.what": Text(
        en="Other samples, the new weights: what was learned from one batch is tried on another.",
        zh="换一批样本，用新的权重：从一个批次学到的，用另一个批次来检验。",
    ),
    "page.loss_next": Text(en="Loss of the next batch", zh="下一个批次的损失"),
    "page.no_next": Text(en="There was no batch behind this one.", zh="后面没有批次了。"),
    "page.not_known": Text(en="not known", zh="未知"),
}
