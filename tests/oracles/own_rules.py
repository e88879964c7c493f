"""Rules of a user's own, in a module of theirs."""

import hq_ray as hq


def plain(q_value, target, alpha):
    return q_value + alpha * (target - q_value)


def clip(q_value, target, alpha, most):
    return q_value + min(max(alpha * (target - q_value), -most), most)


def broken(q_value, target):
    """NaN at the first visit, which the second one loses."""
    return q_value / 0.0 if q_value == 0.0 else target


def textual(q_value, target, alpha):
    return float(str(q_value + alpha * (target - q_value)))


def fall(q_value, target, alpha_down):
    return q_value + alpha_down * min(target - q_value, 0.0)


falling = hq.Variant(fall)
mine = hq.Variant(plain, target="max")
late = hq.Variant(plain, target="expected")
clipped = hq.Variant(clip, parameters={"most": 1.0})
nan = hq.Variant(broken)
slow = hq.Variant(textual)
named = hq.Variant(lambda q_value, target, steps: target, parameters={"steps": 1.0})
averse = hq.Variant(lambda q_value, target, regret: target, parameters={"regret": 1.0})
