"""A Hermes client written from the protos alone: creates, publishes, subscribes, acknowledges through a gateway.

Usage: client.py HOST:PORT. Prints one JSON object per step; exits 1 with the reason when a step fails.
"""

import json
import sys
import time

import grpc
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2, status_pb2

from hermes.admin.v1 import admin_pb2, admin_pb2_grpc, partition_pb2, partition_pb2_grpc
from hermes.messaging.v1 import messaging_pb2, messaging_pb2_grpc

TOPIC, GROUP, CONSUMER, COUNT = "from-python", "readers", "python-1", 100


def step(name, **facts):
    print(json.dumps({"step": name, **facts}), flush=True)


def reason_of(error):
    """The ErrorInfo.reason in a failed call's details."""
    for key, value in error.trailing_metadata():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    return info.reason
    return None


def create(admin):
    topic = admin.CreateTopic(
        admin_pb2.CreateTopicRequest(topic=admin_pb2.Topic(name=TOPIC, partitions=4)), timeout=20
    ).topic
    group = admin.CreateGroup(
        admin_pb2.CreateGroupRequest(group=admin_pb2.Group(topic=TOPIC, name=GROUP)), timeout=20
    ).group
    step("create", partitions=topic.partitions, mode=messaging_pb2.GroupMode.Name(group.mode))


def publish(messaging):
    messages = [
        messaging_pb2.Message(body=f"message {i}".encode(), key=f"key-{i % 7}", attributes={"index": str(i), "ü": "💌"})
        for i in range(COUNT)
    ]
    response = messaging.Publish(messaging_pb2.PublishRequest(topic=TOPIC, messages=messages), timeout=10)
    ids = [result.message_id for result in response.results]
    durability = {messaging_pb2.Durability.Name(result.durability) for result in response.results}
    step("publish", ids=len(set(filter(None, ids))), durability=sorted(durability))


def subscribe_and_acknowledge(messaging):
    request = messaging_pb2.SubscribeRequest(
        topic=TOPIC, group=GROUP, consumer=CONSUMER, max_in_flight_messages=20, ack_deadline=duration_pb2.Duration(seconds=30)
    )
    stream = messaging.Subscribe(request, timeout=60)
    accepted = next(stream).accepted
    seen, order, failed = {}, {}, 0
    for frame in stream:
        if frame.WhichOneof("frame") != "batch":
            continue
        entries = []
        for delivery in frame.batch.deliveries:
            index = int(delivery.message.attributes["index"])
            seen[index] = delivery.message.body.decode()
            order.setdefault(delivery.message.key, []).append(index)
            entries.append(messaging_pb2.AckEntry(receipt=delivery.receipt, outcome=messaging_pb2.OUTCOME_ACK))
        response = messaging.Acknowledge(
            messaging_pb2.AcknowledgeRequest(topic=TOPIC, group=GROUP, consumer=CONSUMER, entries=entries), timeout=10
        )
        failed += sum(1 for result in response.results if result.HasField("error"))
        if len(seen) == COUNT:
            break
    stream.cancel()
    step(
        "consume",
        partitions=sorted(accepted.partitions),
        seen=len(seen),
        intact=all(body == f"message {i}" for i, body in seen.items()),
        ordered=all(indexes == sorted(indexes) for indexes in order.values()),
        failed=failed,
    )


def describe(partitions):
    for _ in range(50):
        response = partitions.DescribeGroup(partition_pb2.DescribeGroupRequest(topic=TOPIC, group=GROUP), timeout=10)
        lag = sum(lane.lag for lane in response.lanes)
        if lag == 0:
            break
        time.sleep(0.1)
    step("describe", lanes=len(response.lanes), lag=lag)


def refused(messaging):
    try:
        messaging.Publish(messaging_pb2.PublishRequest(topic="no-such-topic", messages=[messaging_pb2.Message()]), timeout=10)
    except grpc.RpcError as error:
        step("refused", code=error.code().name, reason=reason_of(error))


def main():
    with grpc.insecure_channel(sys.argv[1]) as channel:
        messaging = messaging_pb2_grpc.MessagingServiceStub(channel)
        create(admin_pb2_grpc.AdminServiceStub(channel))
        publish(messaging)
        subscribe_and_acknowledge(messaging)
        describe(partition_pb2_grpc.PartitionServiceStub(channel))
        refused(messaging)


main()
