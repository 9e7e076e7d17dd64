"""What a run says of pods that do not start. Pods are as the official client has them."""

from types import SimpleNamespace

from imagemake.workflow.kubernetes import PodWatch

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
