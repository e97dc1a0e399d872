"""What is said of a faulty definition, in English and Chinese: one entry for each thing that can be wrong.

An entry is (what, remedy) twice. Placeholders are those of str.format; `{x!r}` shows a value as it was written, `{x:remedy}`
the remedy of a problem inside a problem.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Literal, Protocol, cast, runtime_checkable

from .evidence_wording import EVIDENCE
from .jdm_wording import JDM, Words

Language = Literal["en", "zh"]

# fmt: off
WORDING: dict[str, tuple[Words, Words]] = {
    # the file and its blocks
    "too_long": (("{found} characters", "at most {most}"),
                 ("共 {found} 个字符", "最多 {most} 个")),
    "no_toml": (("not TOML: {said}", "write valid TOML 1.0"),
                ("不是 TOML：{said}", "请写合法的 TOML 1.0")),
    "toml_twice": (("not TOML: {said}", "a key or block stands twice: keep one; blocks that repeat are written [[…]]"),
                   ("不是 TOML：键或块出现了两次（{said}）", "请只留一个；可重复的块写成 [[…]]")),
    "toml_text": (("not TOML: {said}", "close the quotes; write a text of several lines in three quotes, and \\ as \\\\"),
                  ("不是 TOML：文本没有写完或有不可用的字符（{said}）", "请补上引号；多行文本用三个引号，\\ 写成 \\\\")),
    "toml_value": (("not TOML: {said}", "write a number, true, false, a quoted text, [ … ] or {{ … }}"),
                   ("不是 TOML：值写得不对（{said}）", "请写数字、true、false、带引号的文本、[ … ] 或 {{ … }}")),
    "toml_unclosed": (("not TOML: {said}", "close the bracket, with commas between what it holds"),
                      ("不是 TOML：括号没有闭合（{said}）", "请闭合括号，各项之间用逗号")),
    "toml_rest": (("not TOML: {said}", "write one key = value on a line; quotes inside \"…\" are written '…'"),
                  ("不是 TOML：值之后还有内容（{said}）", "每行只写一个 键 = 值；\"…\" 里的引号写成 '…'")),
    "toml_key": (("not TOML: {said}", "write key = value, [block] or [[block]]"),
                 ("不是 TOML：这里应是键或块（{said}）", "请写 键 = 值、[块] 或 [[块]]")),
    "huge_number": (("a number of more than 40 digits", "no amount is that large"),
                    ("超过 40 位的数字", "没有这么大的金额")),
    "no_block": (("is not a [{header}] block", "write [{header}]"),
                 ("不是 [{header}] 块", "请写成 [{header}]")),
    "no_blocks": (("is not a list of [[{header}]] blocks", "write [[{header}]]"),
                  ("不是 [[{header}]] 块的列表", "请写成 [[{header}]]")),
    "no_parts": (("is not a list of [[{header}]] blocks", "write them below"),
                 ("不是 [[{header}]] 块的列表", "请写在它下面")),
    "unknown_block": (("unknown block {header!r}", "known are {known}"),
                      ("没有 {header!r} 这种块", "可用的有：{known}")),
    "unknown_key": (("unknown key {name!r}", "known are {known}"),
                    ("没有 {name!r} 这个键", "可用的有：{known}")),
    "unknown_key_near": (("unknown key {name!r}", "did you mean {near!r}?"),
                         ("没有 {name!r} 这个键", "是否想写 {near!r}？")),
    "absent": (("{name!r} is absent", "add it"),
               ("缺少 {name!r}", "请补上")),
    "blank": (("{name!r} is empty", "write a text"),
              ("{name!r} 是空的", "请填写文本")),
    "no_text": (("{value!r} is not a text", "write a quoted text"),
                ("{value!r} 不是文本", "请写带引号的文本")),
    "no_name": (("{value!r} is not a name", "use the form {pattern}"),
                ("{value!r} 不是合法的名称", "请用 {pattern} 的形式")),
    "declared": (("{value!r} is already declared", "choose another name"),
                 ("{value!r} 已经声明过", "请换一个名称")),
    "reserved": (("{value!r} is a word of the language itself", "choose another name"),
                 ("{value!r} 是语言自用的词", "请换一个名称")),
    "no_choice": (("{value!r} is unknown", "use one of {known}"),
                  ("没有 {value!r} 这个选项", "请从这些中选：{known}")),
    "no_integer": (("{value!r} is not an integer from {low} to {high}", "write a whole number in that range"),
                   ("{value!r} 不是 {low} 到 {high} 的整数", "请写此范围内的整数")),
    "no_flag": (("{value!r} is not true or false", "write true or false"),
                ("{value!r} 不是 true 或 false", "请写 true 或 false")),
    "no_list": (("{value!r} is not a list", "write [ … ]"),
                ("{value!r} 不是列表", "请写成 [ … ]")),
    "no_texts": (("a list with something other than texts", "quote every entry"),
                 ("列表里有文本以外的值", "请给每一项加引号")),
    "no_row": (("{value!r} is not a row", "write {{ … = …, … = … }}"),
               ("{value!r} 不是一行", "请写成 {{ … = …, … = … }}")),
    "no_plain_value": (("{value!r} cannot stand in a definition", "write a text, an integer, true or false"),
                       ("定义里不能写 {value!r}", "请写文本、整数、true 或 false")),
    # expressions
    "expression_too_long": (("{found} characters", "keep an expression under {most}"),
                            ("共 {found} 个字符", "表达式不要超过 {most} 个")),
    "empty_expression": (("nothing is written", "write an expression, such as age < 18"),
                         ("这里是空的", "请写表达式，例如 age < 18")),
    "wide_sign": (("{sign!r} is not the sign {plain!r}", "write {plain!r}"),
                  ("{sign!r} 不是半角的 {plain!r}", "请写成 {plain!r}")),
    "logic_sign": (("{sign!r} is not in the language", "write and, or, not"),
                   ("语言里没有 {sign!r}", "请写 and、or、not")),
    "comparison_sign": (("{sign!r} is not in the language", "use == != < <= > >="),
                        ("语言里没有 {sign!r}", "请用 == != < <= > >=")),
    "single_equals": (("one = does not compare", "write =="),
                      ("单个 = 不是比较", "请写 ==")),
    "no_expression": (("not an expression: {said}", "write one Python expression"),
                      ("不是表达式：{said}", "请写一个 Python 表达式")),
    "comment": (("a comment in an expression", "put it into `note`"),
                ("表达式里有注释", "请写到 `note` 里")),
    "list_alone": (("a list stands alone", "write x in the_list"),
                   ("列表不能单独出现", "请写成 x in the_list")),
    "wants_condition": (("is {kind}, not bool", "compare it"),
                        ("是 {kind}，不是条件（bool）", "请写成比较")),
    "wants_number": (("is {kind}, not int", "give a number"),
                     ("是 {kind}，不是数字（int）", "请给出数字")),
    "too_many_operations": (("more than {most} operations", "split it into named figures"),
                            ("运算超过 {most} 个", "请拆成几个有名称的指标")),
    "too_deep": (("nested deeper than {most}", "split it into named features"),
                 ("嵌套超过 {most} 层", "请拆成几个有名称的特征")),
    "over_int64": (("a number over int64", "no amount is that large"),
                   ("数字超出 int64", "没有这么大的金额")),
    "text_alone": (("{value!r} stands alone", "compare a text with an enum value, by == or in"),
                   ("文本 {value!r} 不能单独出现", "请用 == 或 in 与枚举值比较")),
    "no_literal": (("{value!r} is not allowed",
                    "use integers: fen, ppm, days, or yuan(1.5), percent(2.5); missing(x) for null"),
                   ("不能写 {value!r}", "请用整数（分、百万分比、天），或 yuan(1.5)、percent(2.5)；空值用 missing(x)")),
    "fraction": (("/ makes fractions", "use // for whole numbers or ratio_ppm(a, b) for a share"),
                 ("/ 会得出小数", "整除用 //，占比用 ratio_ppm(a, b)")),
    "not_in_language": (("{form!r:.62} is not in the language",
                         "use arithmetic, comparisons, and/or/not, x if c else y, and the listed functions"),
                        ("语言里没有 {form!r:.62}", "可用算术、比较、and/or/not、x if c else y 和列出的函数")),
    "named_arguments": (("values are given in order, without names or *", "write {form}"),
                        ("参数按顺序写，不写名称或 *", "请写成 {form}")),
    "no_attribute": (("{form!r:.62} has no parts",
                   "use arithmetic, comparisons, and/or/not, x if c else y, and the listed functions"),
                  ("{form!r:.62} 没有成员", "可用算术、比较、and/or/not、x if c else y 和列出的函数")),
    "unknown_name": (("unknown name {name!r:.82}", "declare it above"),
                     ("没有 {name!r:.82} 这个名称", "请在前面声明")),
    "unknown_name_near": (("unknown name {name!r:.82}", "did you mean {near!r}?"),
                          ("没有 {name!r:.82} 这个名称", "是否想写 {near!r}？")),
    "unknown_list": (("no list {list!r:.82}", "declare it: [[list]] name = {list!r:.82}"),
                     ("没有名单 {list!r:.82}", "请声明：[[list]] name = {list!r:.82}")),
    "needs_numbers": (("{op} needs numbers, got {kind}", "compare enums and flags instead"),
                      ("{op} 只能用于数字，这里是 {kind}", "枚举和真假值请用比较")),
    "mixes_units": (("{op} mixes {units}", "bring both to one unit, or use share() and ratio_ppm()"),
                    ("{op} 混用了单位 {units}", "请统一单位，或用 share() 与 ratio_ppm()")),
    "multiplies_units": (("{op} mixes {units}",
                          "bring it down to one unit: share(a, ppm) takes a part, ratio_ppm(a, b) makes one"),
                         ("{op} 混用了单位 {units}", "请只留一个单位：share(a, ppm) 取份额，ratio_ppm(a, b) 求占比")),
    "by_zero": (("{op} by zero", "divide by something that is not always 0"),
                ("{op} 的除数恒为零", "除数不能总是 0")),
    "overflow": (("{op} could reach {reach}, over int64", "narrow an operand with clip()"),
                 ("{op} 的结果可能达到 {reach}，超出 int64", "请用 clip() 收窄某一项")),
    "needs_conditions": (("{op} needs conditions, got {kind}", "write a comparison, such as x > 0"),
                         ("{op} 只能用于条件，这里是 {kind}", "请写成比较，例如 x > 0")),
    "is": (("'is' is not in the language", "use == or missing(x)"),
           ("语言里没有 is", "请用 == 或 missing(x)")),
    "compares_kinds": (("compares {a} with {b}", "compare values of one kind"),
                       ("{a} 与 {b} 不能比较", "请比较同一类型的值")),
    "orders": (("orders {kind} values", "use ==, != or in"),
               ("{kind} 类型没有大小之分", "请用 ==、!= 或 in")),
    "compares_units": (("compares {a} with {b}", "bring both sides to one unit"),
                       ("比较了不同单位：{a} 与 {b}", "请统一两边的单位")),
    "list_unit": (("holds {unit}", "bring both to one unit"),
                  ("列表的单位是 {unit}", "请统一单位")),
    "in_needs_list": (("'in' needs a written list or a [[constant]] list", "write x in ('a', 'b')"),
                      ("in 后面要写出列表，或用 [[constant]] 列表", "请写成 x in ('a', 'b')")),
    "in_one_kind": (("'in' takes literals of one kind", "write x in ('a', 'b') or x in (1, 2)"),
                    ("in 的列表只能是同一类型的字面值", "请写成 x in ('a', 'b') 或 x in (1, 2)")),
    "no_such_value": (("{value!r:.82} is no value here", "use one of {known}"),
                      ("这里没有 {value!r:.82} 这个值", "请从这些中选：{known}")),
    "no_value_of_number": (("{value!r:.82} is no value here", "compare numbers"),
                           ("{value!r:.82} 不能出现在这里", "请与数字比较")),
    "date_as_text": (("{value!r:.82} is a text, and this is a date", "write date('2026-08-01')"),
                     ("{value!r:.82} 是文本，这里要日期", "请写成 date('2026-08-01')")),
    "flag_as_text": (("{value!r:.82} is a text, and this is true or false", "write it alone, or with not before it"),
                     ("{value!r:.82} 是文本，这里是真假值", "请直接写它，或在前面加 not")),
    "no_condition": (("the condition is {kind}", "write a comparison, such as x > 0"),
                     ("条件是 {kind} 类型", "请写成比较，例如 x > 0")),
    "branches_differ": (("gives {a} or {b}", "make both branches one kind"),
                        ("两个分支不同：{a} 与 {b}", "请让两个分支同类型、同单位")),
    "unknown_function": (("unknown function {name!r:.82}", "known are {known}"),
                         ("没有 {name!r:.82} 这个函数", "可用的有：{known}")),
    "no_arguments": (("{name} takes {least} to {most} values, got {found}", "write {form}"),
                     ("{name} 需要 {least} 到 {most} 个参数，这里有 {found} 个", "请写成 {form}")),
    "empty_range_of": (("{name} with its low end over its high end", "write {name}(x, low, high)"),
                       ("{name} 的下限大于上限", "请写成 {name}(x, low, high)")),
    "share_takes_ppm": (("share takes ppm, got {unit}", "share(a, ppm)"),
                        ("share 的第二项应是 ppm，这里是 {unit}", "请写成 share(a, ppm)")),
    "argument_unit": (("got {found} for {wanted}", "give fen, instalments and ppm in order"),
                      ("这里要 {wanted}，给的是 {found}", "请依次给出分、期数、百万分比")),
    "at_least_reach": (("at_least needs a number its conditions can reach", "at_least(2, a, b, c)"),
                       ("at_least 的个数要是条件数能达到的", "例如 at_least(2, a, b, c)")),
    "no_such_number": (("{value!r:.60} is no such number", "write {form} with at most {decimals} decimals"),
                       ("{value!r:.60} 不是这样的数字", "请写成 {form}，最多 {decimals} 位小数")),
    "needs_written_number": (("needs a written number", "write {form} with at most {decimals} decimals"),
                             ("要直接写出数字", "请写成 {form}，最多 {decimals} 位小数")),
    "no_date": (("{value!r:.42} is not a date", "write date('2026-08-01')"),
                ("{value!r:.42} 不是日期", "请写成 date('2026-08-01')")),
    "date_unwritten": (("{value!r} is not written as a date", "write date('2026-08-01')"),
                       ("{value!r} 不是日期的写法", "请写成 date('2026-08-01')")),
    "needs_quoted_name": (("needs a name in quotes", "write {scope}('…')"),
                          ("要写带引号的名称", "请写成 {scope}('…')")),
    # features
    "no_number": (("is {kind}, not a number", "give a number or a key"),
                  ("是 {kind}，不是数字", "请给出数字或键")),
    "of_keys": (("a key has no sum and no order", "of a key use {known}"),
                ("键不能求和，也没有大小", "对键可用：{known}")),
    "no_stats": (("{stats!r} is empty or names one twice", "name each statistic once"),
                 ("{stats!r} 为空或有重复", "每种统计写一次")),
    "unknown_stat": (("unknown statistic {stat!r}", "known are {known}"),
                     ("没有 {stat!r} 这种统计", "可用的有：{known}")),
    "stat_overflow": (("a statistic could overflow: {stat}", "narrow the value with clip()"),
                      ("统计可能溢出：{stat}", "请用 clip() 收窄取值")),
    "slope_of_times": (("{stat} without a value", "give a value; for how often, use count_slope"),
                       ("{stat} 没有 value", "请写 value；次数的趋势用 count_slope")),
    "no_periods": (("{stat} compares 30-day periods, which {windows!r} does not hold",
                    "give it windows from 60 days up, not 'all'; or put it into once, for the longest"),
                   ("{stat} 比较各个30天，窗口 {windows!r} 内没有", "请给 60 天以上的窗口，不用 'all'；或写进 once")),
    "no_window": (("{value!r} is not a window", "use different days from 1 up, or 'all'"),
                  ("{value!r} 不是窗口", "请用互不相同的天数（1 起），或 'all'")),
    "no_share": (("{name!r} has no sum or count to compare", "name an aggregate above"),
                 ("{name!r} 没有可比的 sum 或 count", "请写前面声明的聚合")),
    "no_trend": (("{value!r} is not two windows of a sum or count", "write [[30, 180]]"),
                 ("{value!r} 不是 sum 或 count 的两个窗口", "请写成 [[30, 180]]")),
    "windows_without_place": (("windows without {{w}} in name and formula", "write income_{{w}}_ppm"),
                              ("有窗口，但名称和公式里没有 {{w}}", "请写成 income_{{w}}_ppm")),
    "no_family_member": (("{name!r} is already declared or no name", "choose another name"),
                         ("{name!r} 已经声明过，或不是合法的名称", "请换一个名称")),
    "in_formula": (("{formula}: {said}", "{said:remedy}"),
                   ("{formula}：{said}", "{said:remedy}")),
    "family_declared": (("{name!r} is already declared", "choose another family name"),
                        ("{name!r} 已经声明过", "请换一个聚合名")),
    "too_many_features": (("more than {most} features", "declare fewer windows or statistics"),
                          ("特征超过 {most} 个", "请减少窗口或统计")),
    "no_match": (("{pattern!r} matches no feature", "name a feature or a pattern such as bank_*"),
                 ("{pattern!r} 没有对应的特征", "请写特征名，或 bank_* 这样的样式")),
    "input_unknown_then": (("{name!r} is not known at application", "exclude it"),
                           ("{name!r} 在申请时尚不可知", "请排除它")),
    "input_enum": (("{name!r} is an enum", "derive a flag or a number from it"),
                   ("{name!r} 是枚举", "请由它派生真假值或数字")),
    "both_ways": (("{name!r} is declared both ways", "keep one direction"),
                  ("{name!r} 同时声明了两个方向", "只留一个方向")),
    # constants, lists, experiments
    "no_constant": (("{value!r} is no constant",
                     "write an integer, a list, or a formula in a text: \"yuan(20)\", \"date('2026-08-01')\""),
                    ("{value!r} 不是常数", "请写整数、列表，或文本里的公式：\"yuan(20)\"、\"date('2026-08-01')\"")),
    "constant_unit": (("{value!r} is no constant in {unit}",
                       "write a number, yuan(…) for …_fen, percent(…) for …_ppm, or date(…)"),
                      ("{value!r} 不是单位为 {unit} 的常数",
                       "请写数字；…_fen 用 yuan(…)，…_ppm 用 percent(…)，日期用 date(…)")),
    "no_constant_list": (("{value!r} is no list", "write texts only or integers only, at least one"),
                         ("{value!r} 不是可用的列表", "请只写文本或只写整数，至少一项")),
    "no_arms": (("{value!r:.120} are no arms",
                 "give 2 to {most} {{ name = …, ppm = … }} whose shares add up to 1000000"),
                ("{value!r:.120} 不是实验分组", "请给出 2 到 {most} 个 {{ name = …, ppm = … }}，比例合计 1000000")),
    "arms_key": (("unknown key {name!r} of an arm", "write {{ name = …, ppm = … }}"),
                 ("分组没有 {name!r} 这个键", "请写成 {{ name = …, ppm = … }}")),
    "no_purposes": (("{value!r:.120} are no purposes", "name at least one purpose, each once"),
                    ("{value!r:.120} 不是可用的用途", "请至少写一个用途，各写一次")),
    # tables and scorecards
    "unknown_then": (("{name!r} is not known at application", "use a feature that is"),
                     ("{name!r} 在申请时尚不可知", "请用申请时已知的特征")),
    "no_limits": (("limits {value!r}", "give each row an integer `below`, strictly ascending"),
                  ("上限 {value!r}", "每行写一个整数 `below`，严格递增")),
    "row_unreached": (("no value of {written!r:.60} is in this row", "its values are {low} to {high}"),
                      ("{written!r:.60} 的取值都不在这一行", "它的取值是 {low} 到 {high}")),
    "column_mixed": (("{name!r} has {value!r:.300}", "give every row a number, or every row a text"),
                     ("{name!r} 的值是 {value!r:.300}", "每行都写数字，或每行都写文本")),
    "rises_with_pd": (("{name!r} rises with PD: {value!r:.300}", "a limit may only fall as PD rises"),
                      ("{name!r} 随 PD 上升：{value!r:.300}", "额度只能随 PD 升高而降低")),
    "falls_with_pd": (("{name!r} falls with PD: {value!r:.300}", "a price may only rise with PD"),
                      ("{name!r} 随 PD 下降：{value!r:.300}", "利率只能随 PD 升高而升高")),
    "table_shape": (("{columns} columns, {rows} rows, {outputs} outputs", "give at least one of each and at most {most} rows"),
                    ("表里有 {columns} 列、{rows} 行、{outputs} 个输出", "每样至少一个，最多 {most} 行")),
    "no_outputs": (("rows without outputs", "give every row an output beside `below`"),
                   ("各行没有输出", "每行除 `below` 外请再给一个输出")),
    "output_name": (("{name!r:.62} can be no output",
                     "name it like a figure: letters, digits and _; not `row`, not a word of Python"),
                    ("{name!r:.62} 不能作输出名", "请像指标那样命名：字母、数字和 _；不能用 `row` 或 Python 的关键字")),
    "table_too_wide": (("too many combinations to analyse", "split the table in two; all tables of a file are counted together"),
                       ("组合太多，无法逐一检查", "请把表拆成两张；同一文件的各表合计")),
    "no_cell": (("{value!r} is no cell", "write a text such as '>= 5', '1..5' or '-'"),
                ("{value!r} 不是单元格", "请写文本，例如 '>= 5'、'1..5' 或 '-'")),
    "never_missing": (("this column is never missing", "leave the row out"),
                      ("此列从不缺失", "请删去这一行")),
    "cell": (("{text!r:.62}: {said}", "{said:remedy}; cells: - missing < 5 1..5 [1..5) 1, 2 'a', 'b' true not 'a'"),
             ("{text!r:.62}：{said}", "{said:remedy}；单元格写法：- missing < 5 1..5 [1..5) 1, 2 'a', 'b' true not 'a'")),
    "cell_flag": (("write true, false, missing or -", "correct the cell"),
                  ("应写 true、false、missing 或 -", "请改正单元格")),
    "cell_texts": (("write texts such as 'a', 'b'", "correct the cell"),
                   ("应写文本，例如 'a', 'b'", "请改正单元格")),
    "cell_unknown_text": (("{value!r} is none of {known}", "correct the cell"),
                          ("{value!r} 不在这些值之中：{known}", "请改正单元格")),
    "cell_kind": (("a {kind} cannot stand in a table", "use another column"),
                  ("{kind} 类型不能放进表里", "请换一列")),
    "cell_empty_range": (("an empty range", "correct the cell"),
                         ("区间是空的", "请改正单元格")),
    "cell_no_number": (("not a number", "correct the cell"),
                       ("不是数字", "请改正单元格")),
    "cell_unit": (("{found} in a column of {unit}", "correct the cell"),
                  ("{unit} 的列里写了 {found}", "请改正单元格")),
    "cell_fits_nothing": (("{text!r:.62} fits no value from {low} to {high}", "correct the cell"),
                          ("{text!r:.62} 与 {low} 到 {high} 的任何值都不符", "请改正单元格")),
    "no_output": (("{name!r} is {value!r}", "give every row a number, or, unless it is collected, every row a text"),
                  ("{name!r} 是 {value!r}", "每行都写数字；不做汇总时也可每行都写文本")),
    "output_absent": (("this row gives no {name!r}", "give every row every output; if {name!r} is a column, name it in `on`"),
                      ("这一行没有 {name!r}", "每行都要给出全部输出；如果 {name!r} 是条件列，请写进 `on`")),
    "output_unit": (("{name!r} is {value!r}, in another unit than {unit}", "yuan(…) belongs to …_fen, percent(…) to …_ppm"),
                    ("{name!r} 是 {value!r}，单位不是 {unit}", "…_fen 用 yuan(…)，…_ppm 用 percent(…)")),
    "output_mixed": (("{name!r} mixes numbers and texts", "give every row one kind"),
                     ("{name!r} 混用了数字和文本", "每行请用同一种")),
    "never_reached": (("this row is never reached", "rows above fit wherever it does: remove or move it"),
                      ("这一行永远轮不到", "它适用之处，上面的行都已适用：请删去或移动")),
    "overlaps": (("overlaps row {row}, line {line}", "narrow one of them, or use hit = 'first'"),
                 ("与第 {row} 行（文件第 {line} 行）重叠", "请收窄其中一行，或用 hit = 'first'")),
    "gap": (("no row for {where}", "add a row, or set gaps = 'missing'"),
            ("没有适用于 {where} 的行", "请补一行，或写 gaps = 'missing'")),
    "bins_gap": (("no bin for {where}", "add a bin, or widen one"),
                 ("没有适用于 {where} 的分箱", "请补一个分箱，或放宽一个")),
    "bins_overlap": (("overlaps bin {row}, line {line}", "narrow one of them"),
                     ("与第 {row} 个分箱（文件第 {line} 行）重叠", "请收窄其中一个")),
    "too_many_bins": (("{found} bins", "give at most {most}"),
                      ("共 {found} 个分箱", "最多 {most} 个")),
    "no_characteristics": (("no characteristics", "add [[scorecard.characteristic]] blocks below it"),
                           ("没有评分项", "请在下面加 [[scorecard.characteristic]] 块")),
    "too_many_characteristics": (("{found} characteristics", "give at most {most}"),
                                 ("共 {found} 个评分项", "最多 {most} 个")),
    "bin_key": (("unknown key {name!r}", "write {{ is = '…', points = … }}, points up to {most}"),
                ("没有 {name!r} 这个键", "请写成 {{ is = '…', points = … }}，分值不超过 {most}")),
    "bin_points": (("points are {value!r}", "write {{ is = '…', points = … }}, points up to {most}"),
                   ("分值是 {value!r}", "请写成 {{ is = '…', points = … }}，分值不超过 {most}")),
    "no_bins": (("no bins", "give points to every value"),
                ("没有分箱", "请给每个值一个分数")),
    # price
    "no_grid": (("{value!r} is no grid", "give 2 to {most} rates in ppm, ascending"),
                ("{value!r} 不是利率档", "请给出 2 到 {most} 个递增的利率（百万分比）")),
    "no_curve": (("is no curve", "give {{ rate_ppm = …, accept_ppm = … }} rows, rates ascending, 1 to 1000000"),
                 ("不是接受率曲线", "请给出 {{ rate_ppm = …, accept_ppm = … }} 各行，利率递增，1 到 1000000")),
    "curve_rises": (("rises with the rate", "let fewer accept a higher rate"),
                    ("接受率随利率上升", "利率越高，接受的人应越少")),
    "price_unit": (("is {found}, not {wanted}", "give it in {wanted}"),
                   ("单位是 {found}，不是 {wanted}", "请用 {wanted} 给出")),
    "depends_on_pd": (("depends on PD", "only loss, floor and cap may: else the price need not rise with PD"),
                      ("与 PD 有关", "只有 loss、floor、cap 可以，否则利率未必随 PD 上升")),
    "depends_on_rate": (("depends on the rate", "leave `rate` to income, funding and cost"),
                        ("与利率有关", "`rate` 只能出现在 income、funding、cost 里")),
    "not_rising": (("is not proved to rise with PD", "write it as a product or sum of what rises with PD"),
                   ("不能证明它随 PD 上升", "请写成随 PD 上升之项的积或和")),
    "profit_overflow": (("the profit could reach {reach}, over int64", "narrow the amount with clip()"),
                        ("利润可能达到 {reach}，超出 int64", "请用 clip() 收窄金额")),
    # rules and the whole
    "source_declared": (("{name!r} is already declared", "keep one block for each source"),
                        ("{name!r} 已经声明过", "每个数据源只留一个块")),
    "no_note": (("{code} does not say why it is there", "add a `note`"),
                ("{code} 没有说明为何设立", "请补上 `note`")),
    "unknown_form": (("unknown form {form!r}", "use {{name}}, {{name:yuan}} or {{name:percent}}"),
                     ("没有 {form!r} 这种写法", "请用 {{name}}、{{name:yuan}} 或 {{name:percent}}")),
    "not_read": (("{{{name}}} is not read by this rule", "use names of its `when`, or constants"),
                 ("这条规则没有读取 {{{name}}}", "请用 `when` 里的名称，或常数")),
    "stray_brace": (("{text!r:.62} holds a lone brace", "write {{name}}, {{name:yuan}} or {{name:percent}}, and no other braces"),
                    ("{text!r:.62} 里有单独的花括号", "请写成 {{name}}、{{name:yuan}} 或 {{name:percent}}，不要有别的花括号")),
    "form_of_unit": (("{{{name}:{form}}} of a value in {unit}", "yuan shows fen, percent shows ppm; write {{{name}}}"),
                     ("{{{name}:{form}}} 的单位是 {unit}", "yuan 用于分，percent 用于百万分比；请写 {{{name}}}")),
    "offer_unit": (("its unit is not {unit}", "give it in {unit}"),
                   ("单位不是 {unit}", "请用 {unit} 给出")),
    "unknown_rule": (("unknown rule {code!r}", "name rules of this policy"),
                     ("没有 {code!r} 这条规则", "请写本策略的规则")),
    "rule_of_law": (("{code} is a rule of eligibility", "nobody is approved against the law"),
                    ("{code} 是准入规则", "不得违反法律批准任何人")),
    "no_rules_aside": (("no rules", "name the rules that are set aside"),
                       ("没有写规则", "请写出要放开的规则")),
    "no_offer": (("no figure {name!r} in {unit}", "declare {name}: it is the offer"),
                 ("没有单位为 {unit} 的指标 {name!r}", "请声明 {name}：它就是报价")),
    "limit_not_falling": (("{name} is not proved to fall or stay as PD rises",
                           "build it with min, max, + and products of what is; tables on model.pd_ppm must go one way"),
                          ("不能证明 {name} 随 PD 升高而不升", "请用已证明之项的 min、max、+ 和积；按 model.pd_ppm 的表要单调")),
    "rate_not_rising": (("{name} is not proved to rise or stay as PD rises",
                         "build it with min, max, + and products of what is; tables on model.pd_ppm must go one way"),
                        ("不能证明 {name} 随 PD 升高而不降", "请用已证明之项的 min、max、+ 和积；按 model.pd_ppm 的表要单调")),
    "no_rules": (("no rules", "declare at least one [[rule]]"),
                 ("没有规则", "请至少声明一条 [[rule]]")),
    "never_true": (("{code} can never be true", "look at the bounds of what it reads"),
                   ("{code} 永远不会成立", "请看它所读之值的范围")),
    "always_true": (("{code} is true whenever it is evaluated",
                     "make it depend on something, unless it is meant to stop everybody"),
                    ("{code} 只要能求值就成立", "请让它取决于某个值，除非本来就要拦住所有人")),
    "unit_of_name": (("{name!r} ends in _{ending} and is in {unit}", "name it by its unit"),
                     ("{name!r} 以 _{ending} 结尾，单位却是 {unit}", "请按单位命名")),
    "unused_figure": (("figure {name!r} is not used", "remove it, or set show = true"),
                      ("指标 {name!r} 没有用到", "请删去，或写 show = true")),
    "unused_table": (("{name!r} is not used", "remove it, or read it in a figure or rule"),
                     ("{name!r} 没有用到", "请删去，或在指标或规则里读取")),
    "unused_name": (("{name!r} is not used", "read it in a figure or rule"),
                    ("{name!r} 没有用到", "请在指标或规则里读取")),
    "no_fallback": (("source {source!r} is read (by {reader}) and has no fallback",
                     "declare [[source]] name = {source!r} with what happens when it gives nothing"),
                    ("读取了数据源 {source!r}（{reader}），但没有后备处理",
                     "请声明 [[source]] name = {source!r}，写明它没有数据时怎么办")),
}
# fmt: on
ENTRIES = WORDING | EVIDENCE | JDM
"""All that the room can say is wrong."""
LONGEST = 80
"""Characters of a value that are shown where its place names no other number."""
MOST_WORDS = 50
"""Words of a list that are shown: thousands of problems may each name the same long list."""
_CHINESE = {
    "plain": "无单位",
    "plain numbers": "无单位的数",
    "a number": "数字",
    "invalid syntax": "语法有误",
    "too deep or not readable": "嵌套太深或无法读取",
    "invalid syntax. Perhaps you forgot a comma?": "语法有误，是否少了逗号？",
    "'(' was never closed": "'(' 没有闭合",
    "unmatched ')'": "多了 ')'",
    "'[' was never closed": "'[' 没有闭合",
    "unmatched ']'": "多了 ']'",
    "unterminated string literal (detected at line 1)": "文本没有结束的引号",
    "invalid decimal literal": "数字写得不对",
    "branches": "分支",
    "another document": "另一份文档",
    "code of the caller": "调用方的代码",
    "true or false": " true 或 false",
    "a text in quotes": "带引号的文本",
    "'the end'": "结尾",
    "] or )": "] 或 )",
    "millionths (ppm)": "百万分之一（ppm）",
    "days since 1970": "自 1970 年起的天数",
    "none": "无",
    "field": "字段",
    "nested too deep": "嵌套太深",
    "NaN is not a value; write null for missing": "NaN 不是值；缺失请写 null",
    "a huge integer": "巨大的整数",
    "a dict": "对象",
    "a list": "列表",
    "a key stands twice in one object": "同一对象里一个键出现两次",
    "expected 'else' after 'if' expression": "if 之后缺少 else",
}


class Bilingual(Exception):
    """A refusal in English, which is its text, and in Chinese."""

    def __init__(self, en: str, zh: str = ""):
        super().__init__(en, zh or en)  # both, so that it comes back whole from another process

    def told(self, language: Language = "en") -> str:
        return self.args[language == "zh"]

    def __str__(self) -> str:
        return self.told()


@dataclass(frozen=True, slots=True)
class Said:
    """One entry of ENTRIES with what its places hold; a tuple is shown as a list of words."""

    slug: str
    values: Mapping[str, object]

    def told(self, language: Language = "en") -> Words:
        """(what, remedy)."""
        filler = _Filler(language)
        what, remedy = ENTRIES[self.slug][language == "zh"]
        return filler.vformat(what, (), self.values), filler.vformat(remedy, (), self.values)

    @property
    def what(self) -> str:
        return self.told()[0]

    @property
    def remedy(self) -> str:
        return self.told()[1]


@runtime_checkable
class Teller(Protocol):
    """What can be told inside something else: a Said, or a DefinitionProblem."""

    def told(self, language: Language) -> Words: ...


class _Filler(Formatter):
    def __init__(self, language: Language):
        self.language: Language = language

    def convert_field(self, value: object, conversion: str | None) -> object:
        if conversion != "r":
            return value
        try:
            shown = repr(value)
        except (ValueError, RecursionError):  # Python does not write integers of more than 4,300 digits
            return "what is too long to show" if self.language == "en" else "过长而无法显示的值"
        return shown.encode("utf-8", "backslashreplace").decode()

    def format_field(self, value: object, format_spec: str) -> str:
        match value:
            case Teller():
                return value.told(self.language)[format_spec == "remedy"]
            case tuple():
                given = cast(tuple[object, ...], value)
                words = [self._word(str(word))[:300] for word in given[:MOST_WORDS]]
                words += ["…"] if len(given) > MOST_WORDS else []
                return (", " if self.language == "en" else "、").join(words)
            case str():
                return format(self._word(value), format_spec or f".{LONGEST}")
            case _:
                return str(value)

    def _word(self, word: str) -> str:
        return _CHINESE.get(word, word) if self.language == "zh" else word
