"""Fifth step: invite raters, renew or withdraw links, hand over what somebody cannot finish."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from eval_ui.study.step_context import Step, StudyWork, hint, whole_number
from eval_ui.texts import PageError
from eval_ui.web.notices import inform
from eval_ui.web.safe_text import as_html, table
from storage import (
    Invitation,
    Study,
    hand_over,
    invite_raters,
    list_raters,
    renew_link,
    revoke_link,
)

Link = tuple[str, str]
"""A rater as coordinators see them, and the rater's link."""


def create_raters_step(work: StudyWork) -> Step:
    texts = work.texts
    # -- layout --
    hint(texts, "invite_info")
    with gr.Row(elem_classes="field-and-button"):
        count = gr.Number(5, label=texts("invite_count"), elem_id="invite-count")
        further = gr.Checkbox(
            False,
            label=texts("invite_adjudicator"),
            info=texts("invite_adjudicator_info"),
            elem_id="invite-adjudicator",
        )
    remarks = gr.Textbox(
        label=texts("invite_remarks"),
        info=texts("invite_remarks_info"),
        lines=2,
        max_lines=8,
        elem_id="invite-remarks",
    )
    with gr.Row(elem_classes="actions"):
        invite = gr.Button(texts("invite_button"), variant="primary", elem_id="invite")
    links = gr.HTML(elem_id="links")
    shown = gr.State([])  # links are told only once: those of this page stay
    hint(texts, "renew_info")
    with gr.Row(elem_classes="field-and-button"):
        rater = gr.Dropdown(
            choices=[], allow_custom_value=True, label=texts("rater"), elem_id="renew-rater"
        )
        renew = gr.Button(texts("renew_button"), elem_id="renew", scale=0, min_width=110)
        revoke = gr.Button(texts("revoke_button"), elem_id="revoke", scale=0, min_width=110)
        pass_on = gr.Button(texts("hand_over"), elem_id="hand-over", scale=0, min_width=140)

    # -- wiring --
    handlers = _Handlers(work)
    invited = [count, further, remarks, shown]
    work.wire(invite.click, handlers.invite, invited, [links, remarks, shown])
    work.wire(renew.click, handlers.renew, [rater, shown], [links, shown])
    work.wire(revoke.click, handlers.revoke, [rater], [links])
    work.wire(pass_on.click, handlers.hand_over, [rater], [links])
    return Step([links, remarks, shown], lambda _: ["", "", []], [rater], handlers.draw)


class _Handlers:
    def __init__(self, work: StudyWork) -> None:
        self._work, self._texts, self._store = work, work.texts, work.services.store

    def draw(self, study: Study) -> list[Any]:
        choices = [
            (named(rater.label, rater.remark), rater.label)
            for rater in list_raters(self._store, study.id)
        ]
        return [gr.update(choices=choices, value=None)]

    def invite(
        self,
        study: Study,
        count: float | None,
        further: bool,
        remarks: str | None,
        shown: Sequence[Link] = (),
    ) -> list[Any]:
        said = [line.strip() for line in (remarks or "").splitlines() if line.strip()]
        error = PageError("invite_not_whole")
        whole = len(said) or whole_number(count, error)
        if whole is None:
            raise error
        invitations = invite_raters(
            self._store,
            study.id,
            whole,
            adjudicator=bool(further),
            remarks=said,
            coordinator=self._work.coordinator,
        )
        html, links = self._links(shown, invitations)
        return [html, "", links]

    def renew(self, study: Study, rater: str | None, shown: Sequence[Link] = ()) -> list[Any]:
        by = self._work.coordinator
        invitation = renew_link(self._store, study.id, self._label(rater), coordinator=by)
        inform(self._texts("renewed", rater=rater), self._texts)
        return list(self._links(shown, [invitation]))

    def revoke(self, study: Study, rater: str | None) -> list[str]:
        revoke_link(self._store, study.id, self._label(rater), self._work.coordinator)
        return [f"<p>{as_html(self._texts('revoked', rater=rater))}</p>"]

    def hand_over(self, study: Study, rater: str | None) -> list[str]:
        label = self._label(rater)
        count = hand_over(self._store, study.id, label, self._work.coordinator)
        sentence = self._texts("handed_over", rater=label, count=count)
        inform(sentence, self._texts)
        return [f"<p>{as_html(sentence)}</p>"]

    def _label(self, rater: str | None) -> str:
        if not rater:
            raise PageError("choose_rater")
        return rater

    def _links(self, shown: Sequence[Link], new: list[Invitation]) -> tuple[str, list[Link]]:
        """The links that this page has shown and the new ones, which replace older ones."""
        rows = dict(shown)
        rows |= {named(i.label, i.remark): f"{self._work.home}r/{i.token}" for i in new}
        header = [self._texts("rater"), self._texts("link")]
        listed = [list(row) for row in rows.items()]
        return table(header, listed, texts=2, name=self._texts("link")), list(rows.items())


def named(label: str, remark: str) -> str:
    """A rater as coordinators see them."""
    return f"{label} · {remark}" if remark else label
