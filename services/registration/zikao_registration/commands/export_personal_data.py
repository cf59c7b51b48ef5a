"""A copy of everything that is kept of a person (DOMAIN section 7; PIPL art. 45)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from zikao_registration.domain.profile_changes import STATE_NAMES_ZH as CHANGE_STATES_ZH
from zikao_registration.domain.profile_changes import ProfileChange
from zikao_registration.domain.recovery import SecurityQuestion
from zikao_registration.domain.registration import Registration
from zikao_registration.domain.standings import STANDING_NAMES_ZH
from zikao_registration.domain.states import STATE_NAMES_ZH
from zikao_registration.domain.study_records import StandingChange
from zikao_registration.stores.change_desk import ChangeDesk
from zikao_registration.stores.privacy import PrivacyStore
from zikao_registration.stores.recoveries import RecoveryStore
from zikao_registration.stores.study_records import StudyRecordStore

DOCUMENT_NAME = "个人信息.json"
PHOTO_NAME, MATERIAL_NAME = "照片.jpg", "证件材料.jpg"
_SEX_ZH = {"male": "男", "female": "女"}
_TRACK_ZH = {"social": "面向社会开考专业", "applied": "应用型专业"}
_DOCUMENT_ZH = {
    "resident_id": "居民身份证",
    "hmt_residence_permit": "港澳台居民居住证",
    "hm_travel_permit": "港澳居民来往内地通行证",
    "taiwan_travel_permit": "台湾居民来往大陆通行证",
    "foreign_permanent_resident": "外国人永久居留身份证",
}

_QUESTIONS_ZH = {
    SecurityQuestion.PRIMARY_SCHOOL_TEACHER: "小学班主任的姓名",
    SecurityQuestion.MOTHERS_BIRTHPLACE: "母亲的出生地",
    SecurityQuestion.CHILDHOOD_FRIEND: "童年好友的姓名",
    SecurityQuestion.FIRST_EMPLOYER: "第一个工作单位",
    SecurityQuestion.FAVOURITE_BOOK: "最喜欢的书",
    SecurityQuestion.CHILDHOOD_STREET: "童年居住的街道",
}


@dataclass(frozen=True)
class Export:
    """The JSON document, and what pictures there are beside it, by file name."""

    document: bytes
    evidence: Mapping[str, UUID]


async def export_personal_data(
    desk: ChangeDesk, privacy: PrivacyStore, recoveries: RecoveryStore, records: StudyRecordStore
) -> Export:
    """The actor's own; audited. Raises DomainError NOT_FOUND."""
    candidate_id = UUID(desk.actor.subject)
    registration = await desk.store.get_registration(candidate_id)
    await desk.store.audit(desk.actor, "export_personal_data", desk.now, candidate_id)
    changes = [
        await desk.changes.get(change_id)
        for change_id in await privacy.list_changes_of(candidate_id)
    ]
    standing_changes = await records.list_standing_changes(candidate_id)
    answer = await recoveries.find_answer(candidate_id)
    content = {
        "导出时间": desk.now,
        "账号": await privacy.export_account(candidate_id),
        "注册信息": _registration(registration),
        "考籍更改": [_change(change) for change in changes],
        "考籍状态变更": [_standing_change(change) for change in standing_changes],
        "密保问题": _QUESTIONS_ZH[answer.question] if answer else "未设置",
        **await privacy.export_rows(candidate_id),
    }
    document = json.dumps(content, ensure_ascii=False, indent=2, default=str).encode()
    names = {
        f"考籍更改证明材料-{place}.jpg": change.change_id
        for place, change in enumerate(changes, start=1)
    }
    return Export(document, names)


async def get_picture(desk: ChangeDesk, export: Export, name: str) -> bytes:
    """The JPEG of a file name; empty when there is none by now."""
    candidate_id = UUID(desk.actor.subject)
    if name == PHOTO_NAME:
        return (await desk.store.get_photos([candidate_id])).get(candidate_id, b"")
    if name == MATERIAL_NAME:
        return await desk.store.get_material(candidate_id)
    return await desk.changes.get_evidence(export.evidence[name])


def _registration(registration: Registration) -> Mapping[str, Any]:
    personal, document = registration.personal, registration.document
    return {
        "考生编号": registration.candidate_id,
        "考次": registration.session_code,
        "状态": STATE_NAMES_ZH[registration.state],
        "考籍状态": STANDING_NAMES_ZH[registration.standing],
        "考籍状态说明": registration.standing_reason,
        "准考证号": registration.ticket_number,
        "证件类型": _DOCUMENT_ZH[document.type],
        "证件号码": document.number,
        "姓名": personal.name,
        "性别": _SEX_ZH.get(personal.sex or "", ""),
        "民族代码": personal.ethnicity_code,
        "出生日期": personal.birth_date,
        "报考区县": personal.county_code,
        "专业类别": _TRACK_ZH.get(personal.track or "", ""),
        "专业": personal.major_code,
        "手机号码": personal.mobile,
        "电子邮箱": personal.email,
        "更新时间": registration.updated_at,
        "提交时间": registration.submitted_at,
    }


def _change(change: ProfileChange) -> Mapping[str, Any]:
    values, decision = change.values, change.decision
    return {
        "申请时间": change.requested_at,
        "状态": CHANGE_STATES_ZH[change.state],
        "姓名": values.name,
        "性别": _SEX_ZH.get(values.sex or "", ""),
        "民族代码": values.ethnicity_code,
        "出生日期": values.birth_date,
        "证件类型": _DOCUMENT_ZH[values.document.type] if values.document else "",
        "证件号码": values.document.number if values.document else "",
        "审核时间": decision.decided_at if decision else None,
        "审核说明": decision.comment if decision else "",
    }


def _standing_change(change: StandingChange) -> Mapping[str, Any]:
    return {
        "变更时间": change.changed_at,
        "考籍状态": STANDING_NAMES_ZH[change.standing],
        "说明": change.reason,
    }
