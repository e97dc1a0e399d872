"""People of the simulated world: numbers, names, phones and cards that pass every public check but belong to nobody."""

import re
from dataclasses import dataclass
from datetime import date

from timelyrain.sandbox.noise import seed_of, uniform

PROFILES = ("good", "thin", "overindebted", "gambler", "late", "random")
# six digits each, GB/T 2260
_REGION_CODES = (
    "110105110108120104130102140105210102220102230103310104310115320102320505330106330203340104350203"
    "360111370202370102410105420106420111430104440106440305450103500112510104510107520103530102610113"
)
_REGIONS = [_REGION_CODES[i : i + 6] for i in range(0, len(_REGION_CODES), 6)]
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许邓冯韩曹曾彭萧蔡潘田董袁于余叶蒋杜苏魏程吕丁沈任姚卢"
)
_MALE = "伟强磊军勇杰涛超明刚平辉鹏华飞鑫波斌宇浩凯健俊帆峰志建国文博天昊子轩泽晨"
_FEMALE = "芳娜敏静丽艳娟霞秀兰燕玲桂英梅红莹雪琳晶颖倩婷慧欣怡佳思雨梓涵诗语嘉悦"
_BINS = ("622202", "621700", "622848", "621785", "622588", "621661")
_PHONE_HEADS = (
    "134",
    "135",
    "136",
    "137",
    "138",
    "139",
    "150",
    "151",
    "152",
    "158",
    "159",
    "182",
    "183",
    "186",
    "187",
    "188",
)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


@dataclass(frozen=True)
class Person:
    """id_number: GB 11643 number, or "card:..." / "phone:..." for someone known to the world only by that."""

    id_number: str
    name: str
    phone: str
    bank_card: str
    id_valid_until: date
    profile: str
    seed: int

    @property
    def birth(self) -> date:
        d = self.id_number
        return date(int(d[6:10]), int(d[10:12]), int(d[12:14])) if valid_id_number(d) else date(1990, 1, 1)

    def identity(self) -> dict[str, str]:
        """What the person can tell about themself."""
        return {
            "name": self.name,
            "id_number": self.id_number,
            "id_valid_until": self.id_valid_until.isoformat(),
            "phone": self.phone,
            "bank_card": self.bank_card,
            "profile": self.profile,
        }


def check_character(first17: str) -> str:
    return "10X98765432"[sum(int(d) * w for d, w in zip(first17, _WEIGHTS, strict=True)) % 11]


def valid_id_number(text: str) -> bool:
    """GB 11643: 18 characters, a real birth date, a right check character."""
    if not re.fullmatch(r"[1-9]\d{16}[\dX]", text) or text[17] != check_character(text[:17]):
        return False
    try:
        return date(int(text[6:10]), int(text[10:12]), int(text[12:14])) >= date(1900, 1, 1)
    except ValueError:
        return False


def luhn_digit(body: str) -> str:
    total = 0
    for i, d in enumerate(reversed(body)):
        n = int(d) * (2 if i % 2 == 0 else 1)
        total += n - 9 if n > 9 else n
    return str(-total % 10)


def valid_card(text: str) -> bool:
    return bool(re.fullmatch(r"\d{16,19}", text)) and text[-1] == luhn_digit(text[:-1])


def make_person(profile: str, seed: int) -> Person:
    """The person of this profile and seed: always the same one."""
    u = uniform(seed_of(f"person/{profile}/{seed}"), 1, range(40)).tolist()
    pick = iter(u)

    def digits(n: int) -> str:
        return "".join(str(int(next(pick) * 10)) for _ in range(n))

    male = next(pick) < 0.5
    year = 2002 + int(next(pick) * 3) if profile == "thin" else 1974 + int(next(pick) * 28)
    birth = date(year, 1 + int(next(pick) * 12), 1 + int(next(pick) * 28))
    order = int(next(pick) * 990) // 2 * 2 + (11 if male else 10)
    first17 = f"{_REGIONS[int(next(pick) * len(_REGIONS))]}{birth:%Y%m%d}{order % 1000:03d}"
    given = _MALE if male else _FEMALE
    name = _SURNAMES[int(next(pick) ** 1.7 * len(_SURNAMES))] + given[int(next(pick) * len(given))]
    if next(pick) < 0.6:
        name += given[int(next(pick) * len(given))]
    phone = _PHONE_HEADS[int(next(pick) * len(_PHONE_HEADS))] + digits(8)
    card = _BINS[int(next(pick) * len(_BINS))] + digits(12)
    number = first17 + check_character(first17)
    return Person(
        id_number=number,
        name=name,
        phone=phone,
        bank_card=card + luhn_digit(card),
        id_valid_until=date(2036 + int(next(pick) * 10), birth.month, birth.day),
        profile=profile,
        seed=seed_of(number),
    )


def adopt_person(id_number: str, name: str, phone: str = "", bank_card: str = "") -> Person:
    """Someone this world never made: a life drawn from a hash of their number, and the name they state."""
    return Person(id_number, name, phone, bank_card, date(2040, 1, 1), "random", seed_of(id_number))
