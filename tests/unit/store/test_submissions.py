"""Locks of submissions: the ones that kills leave are swept, and no other."""

from imagemake.store.submissions import Submission, Submissions, SubmissionStep


def test_only_locks_of_closed_submissions_that_nobody_holds_are_swept(tmp_path):
    submissions = Submissions(tmp_path)
    for name in ("open", "held", "left"):
        lock = submissions.lock(name)
        assert lock.acquire(wait=False)
        if name == "held":
            held = lock
        else:
            lock.release()
    submitting = submissions.submitting()
    assert submitting.acquire(wait=False)
    submitting.release()
    submissions.save(Submission("open", SubmissionStep.CREATED, "openai", None, "m", "journal/j", {}, "2026"))
    assert submissions.sweep_locks() == 1
    names = {path.name for path in (tmp_path / "submissions").iterdir()}
    assert names == {"open.json", "open.lock", "held.lock", "submitting.lock"}
    held.release()
