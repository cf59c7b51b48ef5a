"""What every call passes before and after its method, outermost first.

1. recovery: an unexpected exception becomes an opaque INTERNAL (`guard`)
2. request id, log context, access log, metrics (`guard`, `access_log`); then, before anything that
   the caller sends, whether its system may call the service at all (`zikao_kit.callers`)
3. deadline: one is needed, and counts up to the server's own (`deadline`)
4. admission by priority, and its slot left while a stream waits for its caller
   (`zikao_kit.admission`); what is open for long is counted (`open_calls`)
5. identity and permission from the contract (`identity`), of a stream before each part
6. size, parsing, scope and validation of each request message (`method`)
7. errors to `google.rpc.Status` (`guard`, `zikao_kit.error_table`)

These are no `grpc.aio.ServerInterceptor`s: those are looked up anew for every
call. A `GuardedMethod` wraps a method once, when the server starts, so that the
way through all of it costs about as much as one validation.
"""
