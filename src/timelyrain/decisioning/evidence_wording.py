"""What is said of refused evidence, in English and Chinese; entries and placeholders are those of wording.py."""

from .jdm_wording import Words

# fmt: off
EVIDENCE: dict[str, tuple[Words, Words]] = {
    # the file
    "evidence_bytes": (("{found} bytes is too large", "send at most {most}"),
                       ("{found} 字节，过大", "最多 {most} 字节")),
    "evidence_brackets": (("{found} lists and objects: not readable as evidence, which is columns of plain values",
                           "send at most {most}"),
                          ("{found} 个列表和对象，无法作为证据读取：证据由一列列单纯的值组成", "最多 {most} 个")),
    "evidence_no_json": (("not readable as JSON ({said})", "send one UTF-8 JSON object, nested 4 deep"),
                         ("无法作为 JSON 读取（{said}）", "请给出一个 UTF-8 的 JSON 对象，嵌套 4 层")),
    "evidence_top": (("the top is {value}", "send one JSON object"),
                     ("最外层是{value}", "请给出一个 JSON 对象")),
    "evidence_no_object": (("{value} is not an object", "send {{ … }} with its names"),
                           ("{value} 不是对象", "请写成 {{ … }}，内含各名称")),
    "evidence_unknown": (("unknown name {name!r}", "known are {known}"),
                         ("没有 {name!r} 这个名称", "可用的有：{known}")),
    # sources
    "evidence_no_sources": (("{value} is not a list of sources", "known are {known}"),
                            ("{value} 不是数据源的列表", "可用的有：{known}")),
    "evidence_silent_fact": (("{value} given although source {source!r} is listed as missing", "send null"),
                             ("给出了 {value}，而数据源 {source!r} 列为缺失", "请写 null")),
    "evidence_silent_rows": (("has rows although source {source!r} is listed as missing", "send none"),
                             ("有数据行，而数据源 {source!r} 列为缺失", "请不要给出数据行")),
    "evidence_no_table": (("absent", "send its columns (they may be empty) or list {source!r} as missing"),
                          ("没有给出", "请给出各列（可以为空），或把 {source!r} 列为缺失")),
    # values
    "evidence_no_choice": (("{value} is not one of {known}", "send one of them"),
                           ("{value} 不在这些值之中：{known}", "请从中选一个")),
    "evidence_no_flag": (("{value} is not true or false", "send true or false"),
                         ("{value} 不是 true 或 false", "请写 true 或 false")),
    "evidence_no_integer": (("{value} is not an integer", "send a whole number from {low} to {high}"),
                            ("{value} 不是整数", "请写 {low} 到 {high} 的整数")),
    "evidence_range": (("{value} is outside {low} to {high}", "look at its unit: money is in fen, times are epoch seconds"),
                       ("{value} 不在 {low} 到 {high} 之间", "请核对单位：金额为分，时间为 epoch 秒")),
    "evidence_total": (("adds up to more than {most} fen in absolute value", "look at its unit: no one person moves as much"),
                       ("绝对值合计超过 {most} 分", "请核对单位：没有人有这么多")),
    # events
    "evidence_no_list": (("{value} is not a list", "send a list with one value for each event"),
                         ("{value} 不是列表", "请写成列表，每个事件一个值")),
    "evidence_lengths": (("columns of different length {lengths}", "a row needs a value in each"),
                         ("各列长度不同：{lengths}", "每一行在各列都要有值")),
    "evidence_rows": (("{found} rows", "send at most {most}"),
                      ("共 {found} 行", "最多 {most} 行")),
    "evidence_order": (("{value} is before the row above", "send events oldest first"),
                       ("{value} 早于上一行", "事件请由旧到新排列")),
    "evidence_future": (("{value} is after as_of {as_of}", "leave it out: the future is not evidence"),
                        ("{value} 晚于 as_of {as_of}", "请略去：未来的事不是证据")),
    "evidence_closed": (("a closing time after as_of or before its opening", "send 0 while open"),
                        ("结清时间晚于 as_of 或早于开立", "未结清请写 0")),
}
# fmt: on
