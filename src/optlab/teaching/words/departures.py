"""Where torch departs from the textbooks; the sources stand in `teaching.formulas.departures`."""

from optlab.teaching.words.text import Text

WORDS: dict[str, Text] = {
    "departure.lr_outside": Text(
        en="lr stands outside the buffer: it multiplies all of b. In Sutskever et al. it stands inside, at the new "
        "gradient alone. With a constant lr both give the same weights; when a schedule changes lr, torch "
        "rescales old gradients too.",
        zh="学习率写在动量缓冲之外，乘的是整个 b；Sutskever 等人的写法把它放在里面，只乘新的梯度。"
        "学习率不变时两者结果相同；学习率被调度器改变时，torch 会把过去的梯度也一起缩放。",
    ),
    "departure.first_buffer": Text(
        en="In the first step the buffer is the gradient itself: torch does not begin with zeros. Without dampening "
        "that is the same number.",
        zh="第一步的动量缓冲就是梯度本身，torch 并不从 0 开始累积。没有阻尼时，两种做法得到同一个数。",
    ),
    "departure.first_buffer_dampening": Text(
        en="In the first step the buffer is the whole gradient: dampening begins with the second step. From zeros, "
        "as the formula reads, it would be (1 − τ) of it.",
        zh="第一步的动量缓冲是完整的梯度，阻尼从第二步才起作用；若按公式从 0 开始，它应是梯度的 (1 − τ) 倍。",
    ),
    "departure.nesterov": Text(
        en="Nesterov's gradient is taken ahead of the weights, at w − lr·μ·b. torch takes it at the weights and adds "
        "μ·b: the weights that it keeps are those ahead. With a constant lr the path is the same.",
        zh="Nesterov 的原式在“前瞻点” w − lr·μ·b 处求梯度；torch 在当前权重处求梯度，再加上 μ·b。"
        "它保存的权重其实就是前瞻点，学习率不变时走的是同一条路，只是换了记法。",
    ),
    "departure.l2": Text(
        en="Weight decay is added to the gradient (L2), so momentum and square averages see it, and a divided step "
        "divides the decay too. AdamW's decay acts on the weights alone.",
        zh="这里的权重衰减是 L2 正则：加在梯度上，因而会进入动量和平方平均，自适应方法还会把它一起除掉。AdamW "
        "的衰减则直接作用在权重上。",
    ),
    "departure.decoupled": Text(
        en="Decoupled decay comes first, and with lr in it: w is multiplied by 1 − lr·λ. In Loshchilov & Hutter the "
        "factor is 1 − η·λ with the schedule's η alone, so that changing lr does not change the decay.",
        zh="解耦的权重衰减先做，而且乘了学习率：w 乘以 1 − lr·λ。Loshchilov 与 Hutter 的原式是 1 − η·λ，其中 η "
        "只是调度系数，因此改学习率不会改变衰减。",
    ),
    "departure.decoupled_fixed": Text(
        en="fixed_decay: the weights are multiplied by 1 − λ, whatever the lr is.",
        zh="fixed_decay：权重乘以 1 − λ，与学习率无关。",
    ),
    "departure.adam_eps": Text(
        en="ε is added behind the root and behind the bias correction, as in the paper's algorithm. The paper's "
        "faster form, which TensorFlow takes, adds its ε̂ before the correction: the same number is then 1/√(1 − "
        "β₂^t) times as large (32 times in step 1 with β₂ = 0.999).",
        zh="ε 加在开方之后、偏差修正之后，与论文的算法一致。论文另给的高效写法（TensorFlow 采用）把 ε̂ "
        "加在偏差修正之前：同一个数值的作用会放大到 1/√(1 − β₂^t) 倍（β₂ = 0.999 时第 1 步约 32 倍）。",
    ),
    "departure.amsgrad": Text(
        en="The maximum is taken before the bias correction, which comes after it; the paper's AMSGrad has no "
        "correction.",
        zh="先取最大值，再做偏差修正；论文中的 AMSGrad 没有偏差修正。",
    ),
    "departure.adamax_eps": Text(
        en="The paper's Adamax has no ε: it divides by u alone. torch adds ε to |g|, so that u is never 0.",
        zh="论文中的 Adamax 没有 ε，直接除以 u；torch 在 |g| 上加了 ε，使 u 不会为 0。",
    ),
    "departure.nadam_schedule": Text(
        en="0.96 and ψ = 0.004 (1/250) are constants of Dozat's report: momentum begins near half of β₁ and grows to "
        "β₁ over thousands of steps.",
        zh="0.96 和 ψ = 0.004（即 1/250）是 Dozat 报告中的常数：动量从大约 β₁ 的一半开始，经过上千步才接近 β₁。",
    ),
    "departure.radam_threshold": Text(
        en="torch rectifies from ρ_t > 5 on, as the authors' code does; the paper says 4.",
        zh="torch 在 ρ_t > 5 时才启用修正项，与作者的代码一致；论文写的是 4。",
    ),
    "departure.radam_eps": Text(
        en="ε is added to √v before the bias correction: the other way round than in torch's own Adam.",
        zh="ε 在偏差修正之前加到 √v 上，与 torch 自己的 Adam 顺序相反。",
    ),
    "departure.rmsprop_alpha": Text(
        en="torch's default is α = 0.99; Hinton's lecture and TensorFlow have 0.9, whose memory is ten times as "
        "short. There is no bias correction: s begins at 0, so the first steps are large, up to lr/√(1 − α).",
        zh="torch 默认 α = 0.99；Hinton 的讲义和 TensorFlow 用 0.9，记忆只有十分之一长。这里没有偏差修正：s 从 0 "
        "开始，所以最初几步偏大，第一步可达 lr/√(1 − α)。",
    ),
    "departure.rmsprop_eps": Text(
        en="ε is added behind the root; TensorFlow adds it inside, √(s + ε): to match, torch's ε has to be about the "
        "root of it.",
        zh="ε 加在开方之后；TensorFlow 加在根号里面，即 √(s + ε)。要让两者相当，torch 的 ε 大致应取它的平方根。",
    ),
    "departure.lr_outside_rmsprop": Text(
        en="lr stands outside the buffer, as in torch's SGD; TensorFlow has it inside.",
        zh="学习率写在动量缓冲之外，与 torch 的 SGD 相同；TensorFlow 把它写在里面。",
    ),
    "departure.adagrad_start": Text(
        en="The sum begins at 0, so that the first step of every weight is about lr; Keras begins at 0.1.",
        zh="平方和从 0 开始，因此每个权重的第一步大约都是 lr；Keras 从 0.1 开始。",
    ),
    "departure.adagrad_lr_decay": Text(
        en="The paper keeps lr as it is. lr_decay divides it by a growing number, on top of any schedule.",
        zh="论文中的学习率保持不变；lr_decay 让它再除以一个不断增大的数，与学习率调度叠加。",
    ),
    "departure.adadelta_eps": Text(
        en="Here ε stands inside both roots, as in the paper: torch's Adam and RMSprop have it outside.",
        zh="这里的 ε 在两个根号里面，与论文一致；torch 的 Adam 和 RMSprop 则放在根号外面。",
    ),
    "departure.adadelta_lr": Text(
        en="The paper has no learning rate: lr = 1, torch's default, is the paper's Adadelta.",
        zh="论文中没有学习率：lr = 1（torch 的默认值）才是论文中的 Adadelta。",
    ),
    "departure.muon_mean": Text(
        en="The buffer is a mean, (1 − μ) times that of the first description, B = μ·B + G. The orthogonalisation "
        "takes the size away, so the step is the same.",
        zh="这里的动量是滑动平均，是最初写法 B = μ·B + G 的 (1 − μ) 倍。正交化会消去大小，所以更新相同。",
    ),
    "departure.muon_orthogonal": Text(
        en="Five iterations bring the singular values to between about 0.5 and 1.5, not to 1, and torch takes them "
        "in bfloat16. Here NumPy imitates that: the last digits differ, by up to 2 % of an update's usual size.",
        zh="几次迭代只把奇异值带到大约 0.5 到 1.5 之间，并不正好是 1；torch 用 bfloat16 计算。这里用 NumPy 模仿，"
        "末尾几位会不同，差别不超过更新通常大小的 2 %。",
    ),
    "departure.muon_lr": Text(
        en="The shape of the matrix scales lr for the step, but not for the weight decay.",
        zh="矩阵的形状会缩放这一步的学习率，但不影响权重衰减。",
    ),
}
