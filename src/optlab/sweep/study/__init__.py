"""The fair comparison: each optimizer tuned with an equal budget on validation, its winner confirmed on fresh seeds.

    command    a command line becomes a plan
    protocol   the plan, written with its hash before anything runs
    space      what an optimizer's trials range over; samplers: where in it they lie
    rounds     what to run next, from the plan and the results so far; pure
    conduct    rounds are executed, and what was chosen is written down

Sources of the rules: Choi et al. 2019 (a space of its own for each optimizer), Sivaprasad et al. 2020 (equal
budgets), Schmidt et al. 2021 (fresh seeds).
"""
