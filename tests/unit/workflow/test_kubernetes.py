"""What a run says of pods that do not start, and what it deletes of a killed one. Objects are as in the client."""

from types import SimpleNamespace

import pytest

from imagemake.workflow.kubernetes import PodWatch, remember_jobs, take_back

IMAGE = "ours/imagemake:1"
NO_ROOM = "0/3 nodes are available: 3 Insufficient memory."
BACK_OFF = 'Back-off pulling image "ours/imagemake:1"'


def pod(name, waiting=None, unscheduled=None, image=IMAGE):
    state = SimpleNamespace(waiting=SimpleNamespace(reason=waiting, message=BACK_OFF) if waiting else None)
    condition = SimpleNamespace(type="PodScheduled", status="False", reason=unscheduled, message=NO_ROOM)
    status = SimpleNamespace(
        container_statuses=None if unscheduled else [SimpleNamespace(state=state)],
        conditions=[condition] if unscheduled else None,
    )
    spec = SimpleNamespace(containers=[SimpleNamespace(name="snakemake", image=image)])
    return SimpleNamespace(metadata=SimpleNamespace(name=name), spec=spec, status=status)


def test_an_image_that_cannot_be_pulled_is_told_once_and_not_at_the_first_look():
    pods = [pod("a", "ImagePullBackOff"), pod("b", "ImagePullBackOff"), pod("c")]
    watch = PodWatch(lambda: pods, IMAGE)
    assert watch.look() == []
    told = "\n".join(watch.look())
    assert "pod a does not start: ImagePullBackOff" in told
    assert BACK_OFF in told
    assert told.count("ImagePullBackOff") == 1
    assert watch.look() == []


def test_a_pod_without_a_node_is_told_after_minutes_because_a_cluster_may_add_one():
    watch = PodWatch(lambda: [pod("a", unscheduled="Unschedulable")], IMAGE)
    looks = [watch.look() for _ in range(10)]
    assert not any(looks[:9])
    assert NO_ROOM in looks[9][0]


def test_pods_that_start_or_are_of_another_image_are_not_told():
    watch = PodWatch(lambda: [pod("a", "ContainerCreating"), pod("b", "ErrImagePull", image="theirs")], IMAGE)
    assert not any(watch.look() for _ in range(12))


class Server:
    """Has jobs, pods, and secrets by name, as the clients of a run see them."""

    def __init__(self):
        self.jobs, self.secrets, self.pods = {}, {"ours", "theirs"}, {}

    def create_namespaced_job(self, namespace, body):
        self.jobs[body.metadata.name] = body

    def list_namespaced_pod(self, namespace, label_selector):
        metadata = {job: SimpleNamespace(labels={label_selector: job}) for job in self.pods}
        return SimpleNamespace(
            items=[
                SimpleNamespace(metadata=metadata[job], status=SimpleNamespace(phase=phase))
                for job, phase in self.pods.items()
            ]
        )

    def delete_namespaced_job(self, name, namespace, propagation_policy):
        self._delete(self.jobs, name)

    def delete_namespaced_secret(self, name, namespace, propagation_policy):
        self._delete(self.secrets, name)

    @staticmethod
    def _delete(there, name):
        if name not in there:
            raise MissingError(name)
        there.remove(name) if isinstance(there, set) else there.pop(name)


class MissingError(Exception):
    status = 404


def job(name):
    reference = SimpleNamespace(secret_key_ref=SimpleNamespace(name="ours"))
    container = SimpleNamespace(env=[SimpleNamespace(value_from=reference)])
    spec = SimpleNamespace(template=SimpleNamespace(spec=SimpleNamespace(containers=[container])))
    return SimpleNamespace(metadata=SimpleNamespace(name=name), spec=spec)


def test_the_run_after_a_killed_one_deletes_its_secret_and_all_jobs_but_those_that_run(tmp_path):
    class OfRun(Server):
        """Whose jobs the run notes."""

    server = OfRun()
    remember_jobs(OfRun, tmp_path)
    for name in ("pending", "runs", "ended", "was-deleted"):
        server.create_namespaced_job("default", job(name))
    assert {body.spec.ttl_seconds_after_finished for body in server.jobs.values()} == {3600}
    del server.jobs["was-deleted"]
    server.jobs["of-somebody-else"] = None
    server.pods = {"pending": "Pending", "runs": "Running", "ended": "Failed", "of-somebody-else": "Failed"}

    assert take_back(server, server, tmp_path) == ["job pending", "job ended", "secret ours"]
    assert set(server.jobs) == {"runs", "of-somebody-else"}
    assert server.secrets == {"theirs"}
    assert take_back(server, server, tmp_path) == [], "once"


def test_what_cannot_be_deleted_now_is_tried_again_by_the_next_run(tmp_path):
    class OfRun(Server):
        """Whose jobs the run notes."""

    server = OfRun()
    remember_jobs(OfRun, tmp_path)
    server.create_namespaced_job("default", job("a"))
    server.delete_namespaced_secret = None  # not callable: any error will do
    with pytest.raises(TypeError):
        take_back(server, server, tmp_path)
    del server.delete_namespaced_secret
    assert take_back(server, server, tmp_path) == ["secret ours"]
