"""The page's words for what records.py names; what has no word here is shown as it is."""

from __future__ import annotations

from collections.abc import Mapping

from zikao_ctl.rush.records import Verdict

VERDICTS: Mapping[Verdict, tuple[str, str]] = {
    "PASS": ("✔ 通过", "pass"),
    "FAIL": ("✘ 未通过", "fail"),
    "INCONCLUSIVE": ("？ 无法判定", "inconclusive"),
}
PHASES: Mapping[str, str] = {
    "calibration": "测定峰值",
    "early": "开放前",
    "opening": "高峰",
    "calm": "平稳",
}
KINDS: Mapping[str, str] = {
    "journey": "从想报到最终答复（含等候）",
    "submit": "提交报考",
    "browse": "查询考位",
    "join": "进入候场室",
    "pay": "取缴款码",
    "notify": "缴费通知入账",
    "lag": "发压端迟发",
}
FAULTS: Mapping[str, str] = {
    "kill": "进程被强行终止（kill -9）",
    "kill_database": "数据库被强行终止（kill -9）",
    "kill_backend": "数据库后端进程被强行终止",
    "freeze": "进程冻结（SIGSTOP）",
    "freeze_backend": "数据库后端进程冻结",
    "cut_before_commit": "提交前一刻断开连接",
    "cut_during_commit": "提交途中断开连接",
    "cut_after_commit": "提交后、答复前断开连接",
    "cut_all": "数据库连接全部断开",
    "lose_network": "与数据库的网络中断",
    "refuse_connections": "数据库拒绝新连接",
    "platform_slow": "缴费平台变慢",
    "platform_repeats": "缴费平台重复通知",
    "platform_reorders": "缴费平台乱序通知",
    "platform_down": "缴费平台中断",
    "platform_loses_answers": "缴费平台的答复丢失",
    "full_disk": "磁盘写满",
    "clock_jump": "时钟跳变",
}
VICTIMS: Mapping[str, str] = {
    "registration": "注册服务",
    "enrollment": "报考服务",
    "enrollment-2": "报考服务（第二个进程）",
    "tickets": "准考证服务",
    "payment": "缴费平台",
    "outside": "外部系统",
    "postgres": "数据库",
    "zikao_registration": "注册服务的数据库连接",
    "zikao_enrollment": "报考服务的数据库连接",
    "zikao_tickets": "准考证服务的数据库连接",
    "database connections": "全部数据库连接",
    "tables": "数据表",
    "write-ahead log": "预写日志",
}
WITHOUT_EFFECT = "未生效"
"""How the note of a fault begins that did not happen."""
SIDES: Mapping[str, str] = {"server": "各服务", "postgres": "数据库", "generator": "发压端"}
COUNTS: Mapping[str, str] = {
    "offered": "想要提交（含重试）",
    "sent": "实际发出",
    "accepted": "报考成功",
    "refused": "明确答复不成功",
    "shed": "答复“请稍后再来”",
    "held_back": "门户代为等候，未发出",
    "doubtful": "未收到答复（随后查清）",
    "dropped": "发压端未能发出",
}
GLOSSARY = (
    ("想要提交", "到了考生想提交的时刻就计入，不管当时是否真的发出；每次重试再计一次。"),
    ("门户代为等候", "系统繁忙时，门户按约定暂不转发，过片刻再试；考生看到的是“正在排队”。"),
    ("p50、p99", "一百次请求中，第50、第99快的那一次所用的时间，从原定时刻算起，发晚了也算在内。"),
    (
        "峰值办理能力",
        "正式开始前逐级加压至饱和，再持续略多于所能办理的量，平均每秒办成的报考件数（开头4秒不计）。",
    ),
    ("无法判定", "发压端自身跟不上，或有项目未测得：结论既不是通过，也不是未通过，应重测。"),
)
