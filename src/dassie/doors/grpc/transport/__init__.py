"""gRPC over HTTP/2, server side: frames, streams, flow control, and nothing of what is called.

`docs/design/0002-own-grpc-transport.md` says why this is not `grpc.aio`.
"""
