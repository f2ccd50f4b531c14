"""Calls of gRPC with Debian's grpcio, made from the .proto files as they are."""

import functools
import subprocess
import tempfile
from pathlib import Path

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from systems import SOURCE
from tenant import day

PROTO = SOURCE / "proto"
PACKAGE = "availabilityguard.v1"
SERVICE = f"{PACKAGE}.AvailabilityGuard"
CANONICAL_HEALTH = "grpc.health.v1.Health"

CALL_SECONDS = 20


@functools.cache
def pool():
    """All types of the .proto files. No modules of them: one would be called "grpc"."""
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(["protoc", f"--proto_path={PROTO}", f"--descriptor_set_out={file.name}",
                        *(str(path) for path in sorted(PROTO.rglob("*.proto")))], check=True)
        found = descriptor_pb2.FileDescriptorSet.FromString(Path(file.name).read_bytes())
    made = descriptor_pool.DescriptorPool()
    for proto in found.file:
        made.Add(proto)
    return made


@functools.cache
def message_type(name):
    """The class of a message, by its full name."""
    return message_factory.MessageFactory(pool()).GetPrototype(pool().FindMessageTypeByName(name))


def make(name, **fields):
    return message_type(f"{PACKAGE}.{name}")(**fields)


@functools.cache
def method(path):
    """The descriptor of "package.Service/Method"."""
    service, name = path.split("/")
    return pool().FindServiceByName(service).methods_by_name[name]


class GrpcClient:
    """One channel: one connection, unless it breaks."""

    def __init__(self, address, token=None, options=()):
        # Its own connection, not one that is shared with other channels of this process.
        self.channel = grpc.insecure_channel(
            address, options=[("grpc.use_local_subchannel_pool", 1), *options])
        self.token = token

    def close(self):
        self.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def stub(self, path):
        found = method(path)
        return self.channel.unary_unary(
            f"/{path}", request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_type(found.output_type.full_name).FromString)

    def start(self, path, message, metadata=(), timeout=CALL_SECONDS, **options):
        """A future of the call."""
        if self.token is not None:
            metadata = [*metadata, ("authorization", f"Bearer {self.token}")]
        return self.stub(path).future(message, metadata=metadata, timeout=timeout, **options)

    def call(self, path, message, **options):
        """The answer; grpc.RpcError when the call fails."""
        return self.start(path, message, **options).result()

    def health(self, service="", path=f"{PACKAGE}.Health/Check"):
        request = message_type(method(path).input_type.full_name)(service=service)
        return self.call(path, request).status

    def raw(self, path, body, metadata=(), timeout=CALL_SECONDS):
        """A call with these bytes as its message; the bytes of the answer."""
        return self.channel.unary_unary(path)(body, metadata=metadata, timeout=timeout)


class GrpcTenant:
    """What tenant.Tenant is, for calls of gRPC; the ids are those of such a tenant."""

    def __init__(self, client, tenant):
        self.client = client
        self.tenant = tenant

    def lock_request(self, **changes):
        fields = {"tenant_id": self.tenant.id, "room_type_id": self.tenant.room_type,
                  "room_id": self.tenant.room, "stay_start": day(0), "stay_end": day(3), **changes}
        return make("LockRoomRequest", **fields)

    def start_lock(self, options=None, **changes):
        return self.client.start(f"{SERVICE}/LockRoom", self.lock_request(**changes),
                                 **(options or {}))

    def lock(self, options=None, **changes):
        return self.start_lock(options, **changes).result()

    def release(self, lock_id, options=None, **changes):
        request = make("ReleaseRoomRequest",
                       **{"tenant_id": self.tenant.id, "lock_id": lock_id, **changes})
        return self.client.call(f"{SERVICE}/ReleaseRoom", request, **(options or {}))

    def bulk(self, lock_ids, options=None, **changes):
        request = make("BulkReleaseRequest",
                       **{"tenant_id": self.tenant.id, "lock_ids": lock_ids, **changes})
        return self.client.call(f"{SERVICE}/BulkRelease", request, **(options or {}))

    def locked(self, **changes):
        answer = self.lock(**changes)
        assert answer.status == 1 and answer.HasField("lock"), answer
        assert not answer.HasField("conflict"), answer
        return answer.lock
