"""What applicants write: the purpose of the loan in their own words, and the name of the employer. In Chinese.

The words lean on the lives: a hidden trait that no source shows makes people write of haste, gambling and heavy instalments of
turning over debts, thrift of a plan. So a model of texts has something true to find. docs/sandbox.md says how much.
"""

import numpy as np

from timelyrain.sandbox.days import Moments
from timelyrain.sandbox.lives import Lives, employers, jobless
from timelyrain.sandbox.noise import Floats, Ints, uniform

_SAYS, _WHICH, _FIRM = 300, 301, 302
_OBJECTS = tuple(
    tuple(line.split())
    for line in (
        "买手机 网购生活用品 添置衣物", "换冰箱 买洗衣机 买空调", "房子翻新 厨房装修 刷墙换地板",
        "全家旅游 出差垫付机票 国庆出行", "孩子学费 缴纳培训班费用 考研报班", "学开挖掘机 考驾照 会计证培训",
        "住院费用 做手术 老人看病", "办婚礼 订酒席 买婚戒",
        "交房租 付押金 换租搬家", "家里用钱 补贴家用 修车",
    )
)  # fmt: skip
"""Three ways to say each purpose, in the order of the purposes of the file."""
_HASTE = ("急用", "今天就要", "越快越好", "等钱救急")
_DEBT = ("先还别家的", "倒一下信用卡", "还网贷周转", "平台到期了")
_PLAN = ("分期慢慢还", "工资日还款", "已有预算", "年终奖到账提前还")
_REST = ("谢谢", "请审批", "", "")
_PLATFORMS = ("外卖配送骑手", "网约车司机", "货运平台司机", "快递众包", "同城跑腿")
_TOWNS = ("华东", "南方", "长江", "北方", "中原", "滨海", "西部", "岭南")
_WORDS = ("启明", "宏远", "金禾", "天成", "瑞泰", "博通", "恒丰", "新叶", "佳诚", "百川")
_TRADES = (
    "科技有限公司", "商贸有限公司", "物业管理有限公司", "建筑工程公司", "电子厂", "超市", "中学", "医院",
    "餐饮有限公司", "机械制造厂",
)  # fmt: skip


def purpose_texts(c: Lives, when: Moments, purpose: Ints) -> list[str]:
    """One or two phrases each. purpose: position among the purposes of the file."""
    u = uniform(c.seed[:, None], _SAYS, when.date[:, None], np.arange(7)).T
    chance = {
        _HASTE: _curve(-1.4 + 1.1 * c.hidden),
        _DEBT: _curve(-2.6 + 0.8 * c.z_appetite + 4.0 * c.gambling_share),
        _PLAN: _curve(-1.2 + 0.9 * c.z_thrift),
    }
    found: list[str] = []
    said = [(phrases, u[i + 1] < p, u[i + 4]) for i, (phrases, p) in enumerate(chance.items())]
    for i, (kind, which) in enumerate(zip(purpose.tolist(), u[0].tolist(), strict=True)):
        parts = [_OBJECTS[kind][int(which * 3)]]
        parts += [phrases[int(draw[i] * 4)] for phrases, says, draw in said if says[i]]
        if len(parts) == 1:
            parts.append(_REST[int(which * 97 % 4)])
        found.append("，".join(part for part in parts if part))
    return found


def employer_names(c: Lives, when: Moments) -> list[str | None]:
    """The employer as stated; null for who has no work. A ring that bought its identities states one name with small changes."""
    working = jobless(c, when.month[:, None])[:, 0] == 0
    key = employers(c, when.month[:, None])[:, 0]
    draw = (uniform(key, _FIRM) * 800).astype(np.int64).tolist()
    own = (uniform(c.seed, _WHICH, 0) * 60).astype(np.int64).tolist()
    mill, gig = c.in_ring("mill").tolist(), c.gig.tolist()
    found: list[str | None] = []
    for i, works in enumerate(working.tolist()):
        town, word, trade = draw[i] % 8, draw[i] // 8 % 10, draw[i] // 80
        name = f"{_TOWNS[town]}{_WORDS[word]}{_TRADES[trade]}"
        if mill[i]:
            name += ("", "分公司", "一部")[own[i] % 3]
        found.append(None if not works else _PLATFORMS[own[i] % 5] if gig[i] else name)
    return found


def _curve(x: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-x))
