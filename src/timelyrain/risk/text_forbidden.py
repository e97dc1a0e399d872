"""What no score may read in a text: a closed list of subjects, their words in Chinese and English, and how they are masked.

A masked stretch becomes a gap that no n-gram crosses, so that a text with such a word and one with another of the list give the
same features. Masking is coarse on purpose: `hospital` goes whether the applicant is ill or works there. Names of persons are
masked where a form of address gives them away; a column that holds names of persons is not read at all.
"""

import re
from collections.abc import Mapping

from .problems import TrainingDataInvalid
from .tables import words

GAP = "\n"

FORBIDDEN: Mapping[str, str] = {
    "ethnicity": (
        "汉族 藏族 回族 维吾尔 蒙古族 壮族 满族 苗族 彝族 朝鲜族 哈萨克族 少数民族 民族 种族 "
        "ethnic ethnicity race racial black white asian hispanic latino latina african caucasian arab jewish "
        "chinese mexican indian native immigrant immigration"
    ),
    "religion": (
        "佛教 道教 伊斯兰 穆斯林 清真 基督 天主 教会 教堂 寺庙 寺院 清真寺 信徒 信佛 礼拜 朝觐 宗教 法会 "
        "church churches christian catholic baptist methodist lutheran evangelical muslim islam islamic mosque jew judaism "
        "synagogue temple hindu buddhist pastor priest minister ministry rabbi religion religious faith bible god jesus "
        "tithe tithing mormon lds parish diocese"
    ),
    "health": (
        "病 医院 医疗 就医 看病 住院 手术 化疗 癌 肿瘤 糖尿 高血压 抑郁 残疾 怀孕 孕 生育 产检 试管 药 诊所 体检 康复 艾滋 肝炎 "
        "health medical medicine medication hospital hospitals surgery surgeries surgical doctor clinic cancer tumor chemo "
        "diabetes diabetic illness ill sick sickness disease disability disabled injury injured depression anxiety mental "
        "therapy pregnant pregnancy maternity fertility ivf birth hiv aids dental dentist nurse nursing rehab treatment"
    ),
    "politics": (
        "党员 共产党 民主党派 政治 上访 信访 工会 游行 入党 党费 "
        "politics political politician democrat democratic republican party campaign election union unions activist protest"
    ),
    "sex": (
        "男 女 性别 妻 夫 太太 老公 老婆 先生 女士 小姐 母亲 父亲 妈妈 爸爸 爷爷 奶奶 同性恋 变性 "
        "sex gender male female man woman men women wife husband mother father mom dad daughter son boyfriend girlfriend "
        "gay lesbian bisexual transgender lgbt his her he she him"
    ),
    "origin": (
        "老家 籍贯 祖籍 户籍 户口 外地 外地人 本地人 农村 老乡 同乡 国籍 移民 外国 "
        "born birthplace hometown homeland foreign foreigner nationality citizen citizenship native visa refugee"
    ),
}
"""Subject -> its words. Chinese words are masked wherever they stand, English ones as whole words, with a plural s."""

_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许邓冯韩曹曾彭萧蔡潘田董袁于余叶蒋杜苏魏程吕丁沈任姚卢"
)
_PERSONS = (
    rf"[{_SURNAMES}][\u4e00-\u9fff]{{0,2}}(?:先生|女士|小姐|太太|师傅)",
    r"\b(?:mr|mrs|ms|miss|dr|sir|madam)\b\.?\s+[a-z]+(?:\s+[a-z]+)?",
)
_PERSON_COLUMNS = {"name", "surname", "firstname", "lastname", "fullname", "姓名", "名字", "联系人"}
_OF_FIRMS = {
    "emp",
    "employer",
    "company",
    "firm",
    "business",
    "corp",
    "school",
    "merchant",
    "bank",
    "product",
}


def _pattern() -> re.Pattern[str]:
    every = [word for listed in FORBIDDEN.values() for word in listed.split()]
    latin = sorted((w for w in every if w.isascii()), key=len, reverse=True)
    other = sorted((w for w in every if not w.isascii()), key=len, reverse=True)
    return re.compile("|".join([*_PERSONS, rf"\b(?:{'|'.join(latin)})(?:'?s)?\b", *other]))


_MASK = _pattern()
_DIGITS, _SPACES = re.compile(r"\d+"), re.compile(r"[^\S\n]+")


def masked(text: str) -> str:
    """Lower case; words of the list and names with a form of address are gaps, numbers are 0."""
    return _SPACES.sub(" ", _DIGITS.sub("0", _MASK.sub(GAP, text.lower()))).strip(" ")


def refuse_persons(column: str) -> None:
    """Raises TrainingDataInvalid for a column that by its name holds names of persons."""
    parts = set(words(column))
    if any(word in column for word in ("姓名", "联系人")) or (
        parts & _PERSON_COLUMNS and not parts & _OF_FIRMS
    ):
        raise TrainingDataInvalid(
            f"--text {column!r} holds names of persons by its own name: no score may read them. Rename it if it does not."
        )
