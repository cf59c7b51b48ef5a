"""Where a study record may go to: the provinces by their 2 digits (GB/T 2260)."""

from __future__ import annotations

from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem

PROVINCES_ZH = {
    "11": "北京市",
    "12": "天津市",
    "13": "河北省",
    "14": "山西省",
    "15": "内蒙古自治区",
    "21": "辽宁省",
    "22": "吉林省",
    "23": "黑龙江省",
    "31": "上海市",
    "32": "江苏省",
    "33": "浙江省",
    "34": "安徽省",
    "35": "福建省",
    "36": "江西省",
    "37": "山东省",
    "41": "河南省",
    "42": "湖北省",
    "43": "湖南省",
    "44": "广东省",
    "45": "广西壮族自治区",
    "46": "海南省",
    "50": "重庆市",
    "51": "四川省",
    "52": "贵州省",
    "53": "云南省",
    "54": "西藏自治区",
    "61": "陕西省",
    "62": "甘肃省",
    "63": "青海省",
    "64": "宁夏回族自治区",
    "65": "新疆维吾尔自治区",
}


def other_province(code: str, county_code: str) -> str:
    """The province's name; INVALID_REQUEST for one that is none, or the county's own."""
    name = PROVINCES_ZH.get(code)
    if name is None or county_code.startswith(code):
        problem = FieldProblem("province_code", "请选择转往的其他省（区、市）")
        raise DomainError(INVALID_REQUEST, fields=[problem])
    return name
