"""One socket, with or without TLS: fill (octets in), flush (octets out), close. Knows no protocol above TLS.

Reading is one recv into the scratch of the worker, from which TLS opens its records; writing seals into the
same scratch and hands it to one send. What the socket does not take waits in `sealed`, and until that is gone
nothing more is sealed.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, memset

from fastgw._core.buf cimport (
    Memory, Octets, octets_append, octets_close, octets_commit, octets_consume,
    octets_open, octets_reserve)
from fastgw._core.io.fingerprint cimport fingerprint_feed
from fastgw._core.io.loop cimport (
    Loop, Source, Timer, loop_forget, loop_watch, timer_start,
    timer_stop)
from fastgw._core.io.proxy_protocol cimport (
    PROXY_BAD, PROXY_DONE, PROXY_HEADER_MAX, PROXY_MORE, PROXY_PEER_SIZE, ProxyHeader, ProxyResult, proxy_header)
from fastgw._core.io.sys cimport (
    SIOCOUTQ, ioctl,
    AF_UNIX, EAGAIN, ECONNREFUSED, ECONNRESET, EINPROGRESS, EINTR, ENOENT,
    EPOLLIN, EPOLLOUT, ETIMEDOUT, IPPROTO_TCP, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_PEEK, SHUT_WR, SO_ERROR, SOCK_CLOEXEC,
    SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET, TCP_NODELAY, close, connect, errno, getsockopt, recv, send,
    setsockopt, shutdown, sockaddr, socket, socklen_t, ssize_t, strerror)
from fastgw._core.io.openssl cimport SSL_CTX
from fastgw._core.io.records cimport (
    TLS_DONE, TLS_ENDED, TLS_FAILED, TLS_RECORD_MAX, TLS_SEALED_MAX, TLS_WANTS, TlsResult)
from fastgw._core.io.tls cimport (
    TLS_NONE, SelectTerms, tls_accept, tls_alpn_is_h2, tls_close, tls_connect, tls_handshake,
    tls_may_update_keys, tls_pull, tls_push, tls_read, tls_rest, tls_seal, tls_settle, tls_shutdown, tls_trim,
    tls_waiting)
from fastgw._core.io.tls_text cimport tls_error_text

cdef enum:
    # Sealed octets that may wait: what one flush leaves, and what TLS itself has to say to a peer that does
    # not read.
    _SEALED_MAX = NET_SIZE + 65536


cdef void _fail(Transport *self, TransportFailure failure, const char *text) noexcept nogil:
    """Write down why the transport cannot go on; the first failure stays. Then only closing is left."""
    if self.failure != TRANSPORT_FINE:
        return
    self.failure = failure
    snprintf(self.detail, sizeof(self.detail), "%s", text)
    timer_stop(self.loop, &self.timer)
    # The kernel would go on reporting what nobody reads any more.
    loop_forget(self.loop, &self.source)


cdef void _fail_tls(Transport *self, TransportFailure failure) noexcept nogil:
    """The same after TLS_FAILED; a certificate or ALPN that was not accepted has a failure of its own.

    With TLS 1.3 an origin refuses our certificate, or that we have none, when our side of the handshake is over.
    """
    cdef char[192] text
    cdef bint certificate
    tls_error_text(&self.tls, text, sizeof(text), &certificate)
    if self.phase == TRANSPORT_HANDSHAKE and certificate:
        failure = CERTIFICATE_INVALID
    elif self.phase == TRANSPORT_HANDSHAKE and self.tls.alpn_refused:
        failure = ALPN_NOT_H2
    elif self.tls.client_refused:
        failure = HANDSHAKE_FAILED
    _fail(self, failure, text)


cdef void _fail_connect(Transport *self, int number) noexcept nogil:
    cdef TransportFailure failure = CONNECT_UNREACHABLE
    if number == ECONNREFUSED or number == ECONNRESET or number == ENOENT:
        failure = CONNECT_REFUSED
    elif number == ETIMEDOUT:
        failure = CONNECT_TIMED_OUT
    _fail(self, failure, strerror(number))


cdef void _fail_recv(Transport *self, int number) noexcept nogil:
    """The end of the peer's octets: `number` is the errno of recv, 0 for an end of stream."""
    cdef TransportFailure failure = PEER_RESET
    if number == 0:
        number = self.lost
    if self.phase == TRANSPORT_HANDSHAKE:
        failure = HANDSHAKE_FAILED
    elif number == 0:
        failure = PEER_ENDED
    if number != 0:
        _fail(self, failure, strerror(number))
    elif self.phase == TRANSPORT_HANDSHAKE:
        _fail(self, failure, "the peer closed the connection during the TLS handshake")
    elif self.tls.layer == TLS_NONE:
        _fail(self, failure, "the peer closed the connection")
    else:
        _fail(self, failure, "the peer closed the connection without close_notify")


cdef void _timed_out(Timer *timer) noexcept nogil:
    cdef Transport *self = <Transport *>timer.owner
    if self.phase == TRANSPORT_CONNECTING:
        _fail(self, CONNECT_TIMED_OUT, "the TCP connection was not established in time")
    else:
        _fail(self, HANDSHAKE_TIMED_OUT, "the TLS handshake was not finished in time")
    if self.changed != NULL:
        self.changed(self)


cdef void _timer_set(Transport *self, uint32_t timeout_ms) noexcept nogil:
    """Timeouts bound a whole phase, not the wait for its next octet; 0: none."""
    timer_stop(self.loop, &self.timer)
    if timeout_ms > 0:
        timer_start(self.loop, &self.timer, timeout_ms)


cdef void _open(Transport *self, Loop *loop, Memory *memory, uint8_t *net) noexcept nogil:
    """Start anew; the owner's `source.ready` and `changed` stay."""
    cdef void (*ready)(Source *, uint32_t) noexcept nogil
    cdef void (*changed)(Transport *) noexcept nogil
    ready = self.source.ready
    changed = self.changed
    memset(self, 0, sizeof(Transport))
    self.source.ready = ready
    self.source.fd = -1
    self.changed = changed
    self.loop = loop
    self.memory = memory
    self.net = net
    self.timer.fire = _timed_out
    self.timer.owner = self
    octets_open(&self.sealed, memory)
    octets_open(&self.early, memory)


cdef void _nodelay(int fd) noexcept nogil:
    """Our writes are whole answers: waiting for more would only delay them. Sockets of UNIX may refuse."""
    cdef int one = 1
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))


cdef bint transport_accept(Transport *self, Loop *loop, Memory *memory, uint8_t *net, int fd,
                           SSL_CTX *context, SelectTerms select, void *arg, uint8_t *told,
                           uint32_t handshake_timeout_ms) noexcept nogil:
    """Take over a descriptor that was accepted; `context` NULL: cleartext. A timeout of 0 is none.

    `told` not NULL: a header of the PROXY protocol comes first, and whom it names is written there.

    `source.ready` and `changed` are the owner's to set, before. False: out of memory or of watches, and the
    descriptor is closed.
    """
    _open(self, loop, memory, net)
    self.source.fd = fd
    self.phase = TRANSPORT_OPEN
    _nodelay(fd)
    if context != NULL:
        self.phase = TRANSPORT_HANDSHAKE
        _timer_set(self, handshake_timeout_ms)
        if not tls_accept(&self.tls, memory, context, select, arg):
            transport_close(self)
            return False
    if told != NULL:
        self.phase = TRANSPORT_TOLD
        self.told = told
        _timer_set(self, handshake_timeout_ms)
    if loop_watch(loop, &self.source, EPOLLIN) != 0:
        transport_close(self)
        return False
    return True


cdef bint transport_connect(Transport *self, Loop *loop, Memory *memory, uint8_t *net,
                            const Endpoint *endpoint) noexcept nogil:
    """Begin to connect. False: it failed at once, `failure` and `detail` say why, and nothing is open.

    `source.ready` and `changed` are the owner's to set, before.
    """
    cdef const sockaddr *address = <const sockaddr *>endpoint.address
    cdef int number
    _open(self, loop, memory, net)
    self.endpoint = endpoint
    self.phase = TRANSPORT_CONNECTING
    self.source.fd = socket(address.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if self.source.fd < 0:
        _fail_connect(self, errno)
        transport_close(self)
        return False
    if address.sa_family != AF_UNIX:
        _nodelay(self.source.fd)
    number = 0
    if connect(self.source.fd, address, <socklen_t>endpoint.address_length) < 0 and errno != EINPROGRESS:
        number = errno
    # The owner is told on EPOLLOUT, also of a connection that stands already.
    if number == 0:
        number = loop_watch(loop, &self.source, EPOLLOUT)
    if number != 0:
        _fail_connect(self, number)
        transport_close(self)
        return False
    _timer_set(self, endpoint.connect_timeout_ms)
    return True


cdef void _connected(Transport *self) noexcept nogil:
    """The socket is ready for the first time: failed, or connected and next the TLS handshake."""
    cdef int number = 0
    cdef socklen_t size = sizeof(number)
    if getsockopt(self.source.fd, SOL_SOCKET, SO_ERROR, &number, &size) < 0:
        number = errno
    if number != 0:
        _fail_connect(self, number)
        return
    if loop_watch(self.loop, &self.source, EPOLLIN) != 0:
        _fail(self, CONNECT_UNREACHABLE, "the connection could not be watched")
        return
    if self.endpoint.context == NULL:
        timer_stop(self.loop, &self.timer)
        self.phase = TRANSPORT_OPEN
        return
    self.phase = TRANSPORT_HANDSHAKE
    _timer_set(self, self.endpoint.handshake_timeout_ms)
    if tls_connect(&self.tls, self.memory, self.endpoint.context, &self.endpoint.wanted,
                   NULL if self.endpoint.earlier == NULL else self.endpoint.earlier[0]):
        _handshake(self)
    else:
        _fail(self, HANDSHAKE_FAILED, "no TLS session could be opened for this server name")


cdef void _take_header(Transport *self) noexcept nogil:
    """Read on in the PROXY header, and not an octet further: what follows is TLS or HTTP/2."""
    cdef ProxyHeader header
    cdef ProxyResult result
    cdef uint32_t before = self.early.length
    cdef ssize_t count
    if before > 0:
        memcpy(self.net, self.early.data, before)
    count = recv(self.source.fd, self.net + before, PROXY_HEADER_MAX - before, MSG_DONTWAIT | MSG_PEEK)
    if count == 0 or (count < 0 and errno != EAGAIN and errno != EINTR):
        _fail_recv(self, 0 if count == 0 else errno)
    if count <= 0:
        return
    result = proxy_header(self.net, before + <uint32_t>count, &header)
    if result == PROXY_BAD or (result == PROXY_MORE and before + <uint32_t>count >= PROXY_HEADER_MAX):
        _fail(self, PROXY_HEADER_WRONG, "the connection does not begin with a header of the PROXY protocol")
        return
    if result == PROXY_DONE:
        count = <ssize_t>header.length - before
    count = recv(self.source.fd, self.net + before, <size_t>count, MSG_DONTWAIT)
    if result == PROXY_MORE:
        if count > 0 and not octets_append(&self.early, self.net + before, <uint32_t>count):
            _fail(self, PEER_RESET, "out of memory")
        return
    octets_close(&self.early)
    if header.named:
        memcpy(self.told, header.peer, PROXY_PEER_SIZE)
    self.phase = TRANSPORT_OPEN if self.tls.layer == TLS_NONE else TRANSPORT_HANDSHAKE
    if self.phase == TRANSPORT_OPEN:
        timer_stop(self.loop, &self.timer)


cdef void _handshake(Transport *self) noexcept nogil:
    """Take the handshake one step further and send what it has to say, an alert too."""
    cdef TlsResult result = tls_handshake(&self.tls)
    _send_unasked(self)
    if result == TLS_FAILED:
        _fail_tls(self, HANDSHAKE_FAILED)
        return
    if result != TLS_DONE:
        return
    if not tls_alpn_is_h2(&self.tls):
        _fail(self, ALPN_NOT_H2, "the peer did not agree on h2 by ALPN")
        return
    self.sni_seen = self.endpoint == NULL and self.tls.named
    self.phase = TRANSPORT_OPEN
    timer_stop(self.loop, &self.timer)


cdef uint32_t transport_fill(Transport *self, uint8_t *into, uint32_t room, bint *more) noexcept nogil:
    """Read once from the socket and write what it said to `into`; returns how many octets, plaintext.

    Carries on the phases before TRANSPORT_OPEN. `room` should be FILL_SIZE, from which all of one recv is
    sure to find room; with less, less is asked of the kernel. `more`: the socket may hold more, call again.
    An end of stream or an error shows in `failure`, with octets that came before it still returned.
    """
    cdef uint32_t ask = room
    cdef ssize_t count
    more[0] = False
    if self.failure != TRANSPORT_FINE or self.phase == TRANSPORT_CLOSED:
        return 0
    if self.phase == TRANSPORT_CONNECTING:
        _connected(self)
        if self.phase != TRANSPORT_OPEN or self.failure != TRANSPORT_FINE:
            return 0
    elif self.phase == TRANSPORT_TOLD:
        _take_header(self)
        if self.phase == TRANSPORT_TOLD or self.failure != TRANSPORT_FINE:
            return 0
    # In the open phase that is transport_flush's business, so that the owner sees `blocked` end there.
    if self.sealed.length > 0 and self.phase == TRANSPORT_HANDSHAKE:
        _send_sealed(self)
    if self.tls.layer != TLS_NONE:
        # The part of a record that came earlier comes out together with what is asked for now.
        ask = room - TLS_RECORD_MAX if room > TLS_RECORD_MAX else 0
    if ask > NET_SIZE:
        ask = NET_SIZE
    if ask == 0:
        more[0] = True
        return 0
    count = _recv(self, into if self.tls.layer == TLS_NONE else self.net, ask)
    if count <= 0:
        return 0
    more[0] = count == ask
    if self.tls.layer == TLS_NONE:
        self.octets_in += <uint64_t>count
        return <uint32_t>count
    return _unseal(self, <uint32_t>count, into, room, more)


cdef ssize_t _recv(Transport *self, uint8_t *into, uint32_t ask) noexcept nogil:
    """One recv; 0 if nothing is there, or nothing will come any more: then there is a failure."""
    cdef ssize_t count = recv(self.source.fd, into, ask, MSG_DONTWAIT)
    while count < 0 and errno == EINTR:
        count = recv(self.source.fd, into, ask, MSG_DONTWAIT)
    if count == 0:
        _fail_recv(self, 0)
    elif count < 0:
        count = 0
        if errno != EAGAIN:
            _fail_recv(self, errno)
    return count


cdef uint32_t _unseal(Transport *self, uint32_t count, uint8_t *into, uint32_t room,
                      bint *more) noexcept nogil:
    """Open what lies in the first `count` octets of `net`: first the handshake, then octets for `into`."""
    cdef uint32_t got
    cdef TlsResult result
    if not tls_push(&self.tls, self.net, count):
        _fail(self, PEER_RESET, "out of memory")
        return 0
    if self.phase == TRANSPORT_HANDSHAKE:
        if self.print_ != NULL:
            fingerprint_feed(self.print_, self.net, count)
        _handshake(self)
        if self.phase != TRANSPORT_OPEN or self.failure != TRANSPORT_FINE:
            return 0
        tls_settle(&self.tls, self.net, count)
    result = tls_read(&self.tls, into, room, &got)
    self.octets_in += got
    if tls_waiting(&self.tls) > 0:
        if result == TLS_WANTS and not tls_may_update_keys(&self.tls):
            # RFC 9113 section 9.2.1
            _fail(self, PEER_RESET, "the peer asked for TLS renegotiation")
        _send_unasked(self)
    if result == TLS_ENDED:
        _fail(self, PEER_ENDED, "the peer closed the connection")
    elif result == TLS_FAILED:
        _fail_tls(self, PEER_RESET)
    if self.failure != TRANSPORT_FINE:
        more[0] = False
    return got


cdef void _blocked_set(Transport *self, bint blocked) noexcept nogil:
    """Watch EPOLLOUT while, and only while, something waits for room in the socket."""
    if blocked == self.blocked:
        return
    self.blocked = blocked
    if self.failure == TRANSPORT_FINE:
        loop_watch(self.loop, &self.source,
                   self.source.watched | EPOLLOUT if blocked else self.source.watched & ~<uint32_t>EPOLLOUT)


cdef uint32_t _send(Transport *self, const uint8_t *data, uint32_t length) noexcept nogil:
    """Give the socket as much as it takes now; returns how much. An error is kept in `lost`.

    It does not become the failure at once: the peer may have answered before it went, and that is still to be
    read.
    """
    cdef ssize_t count = send(self.source.fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL)
    while count < 0 and errno == EINTR:
        count = send(self.source.fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL)
    if count >= 0:
        return <uint32_t>count
    if errno != EAGAIN:
        self.lost = errno
    return 0


cdef void _send_sealed(Transport *self) noexcept nogil:
    """Send what waits; with the last of it an ending transport shuts its direction down."""
    if self.sealed.length > 0:
        octets_consume(&self.sealed, _send(self, self.sealed.data, self.sealed.length))
    if self.lost != 0:
        octets_close(&self.sealed)
    _blocked_set(self, self.sealed.length > 0)
    if self.ending and not self.shut and self.sealed.length == 0:
        self.shut = True
        shutdown(self.source.fd, SHUT_WR)


cdef void _send_unasked(Transport *self) noexcept nogil:
    """Send what TLS has to say by itself: handshake, alerts, key updates, close_notify."""
    cdef uint32_t waiting = tls_waiting(&self.tls)
    cdef uint8_t *into
    if waiting == 0:
        return
    into = octets_reserve(&self.sealed, waiting) if self.sealed.length + waiting <= _SEALED_MAX else NULL
    if into == NULL:
        _fail(self, PEER_RESET, "the peer does not read what TLS has to send")
        return
    octets_commit(&self.sealed, tls_pull(&self.tls, into, waiting))
    if not self.blocked:
        _send_sealed(self)


cdef void transport_flush(Transport *self, Octets *plain) noexcept nogil:
    """Send the first octets of `plain`, at most FLUSH_SIZE, and take off what was sent or sealed.

    Before TRANSPORT_OPEN and after a failure nothing happens. With `blocked` afterwards, EPOLLOUT will say
    when to call again. After a send that failed `plain` is thrown away; the failure shows in transport_fill.
    """
    if self.phase != TRANSPORT_OPEN or self.failure != TRANSPORT_FINE:
        return
    if self.sealed.length > 0:
        _send_sealed(self)
    if self.sealed.length == 0 and self.lost == 0 and plain.length > 0 and not self.ending:
        if self.tls.layer == TLS_NONE:
            _flush_clear(self, plain)
        else:
            _flush_sealed(self, plain)
    if self.lost != 0:
        octets_close(&self.sealed)
        octets_close(plain)
    _blocked_set(self, self.sealed.length > 0 or (plain.length > 0 and not self.ending))


cdef void _flush_clear(Transport *self, Octets *plain) noexcept nogil:
    cdef uint32_t sent = _send(self, plain.data, plain.length if plain.length < FLUSH_SIZE else FLUSH_SIZE)
    self.octets_out += sent
    if sent > 0:
        octets_consume(plain, sent)


cdef void _flush_sealed(Transport *self, Octets *plain) noexcept nogil:
    """Seal into `net` record by record, and send whenever no further record would fit."""
    cdef uint32_t limit = plain.length if plain.length < FLUSH_SIZE else FLUSH_SIZE
    cdef uint32_t done = 0, used = 0, taken, sealed
    cdef TlsResult result = TLS_DONE
    while done < limit and self.sealed.length == 0 and self.lost == 0:
        result = tls_seal(&self.tls, plain.data + done, limit - done, self.net + used, NET_SIZE - used, &taken,
                          &sealed)
        if result != TLS_DONE:
            break
        done += taken
        used += sealed
        if NET_SIZE - used < TLS_SEALED_MAX:
            _send_net(self, used)
            used = 0
    if used > 0:
        _send_net(self, used)
    if result == TLS_FAILED:
        _fail_tls(self, PEER_RESET)
    self.octets_out += done
    if done > 0:
        octets_consume(plain, done)
    tls_trim(&self.tls)


cdef void _send_net(Transport *self, uint32_t length) noexcept nogil:
    """Send the first octets of `net`; what the socket does not take is kept in `sealed`."""
    cdef uint32_t sent = _send(self, self.net, length)
    if sent < length and self.lost == 0 and not octets_append(&self.sealed, self.net + sent, length - sent):
        _fail(self, PEER_RESET, "out of memory")


cdef void transport_rest(Transport *self) noexcept nogil:
    """Give back what an open transport that has nothing to do can do without; the next octets bring it again."""
    if self.phase == TRANSPORT_OPEN and self.tls.layer != TLS_NONE:
        tls_rest(&self.tls)


cdef uint64_t transport_delivered(const Transport *self) noexcept nogil:
    """A number that grows when the peer acknowledges octets, even while the socket takes no more; no exact count."""
    cdef int unacknowledged = 0
    ioctl(self.source.fd, SIOCOUTQ, &unacknowledged)
    return self.octets_out - self.sealed.length - <uint64_t>unacknowledged


cdef void transport_end(Transport *self) noexcept nogil:
    """Say that nothing more will be sent: close_notify behind what is queued, then the end of our direction.

    What the owner still has in `plain` is not sent. Reading goes on until the peer ends too. A transport that
    is not open yet is closed instead.
    """
    if (self.phase == TRANSPORT_CONNECTING or self.phase == TRANSPORT_HANDSHAKE
            or self.phase == TRANSPORT_TOLD):
        transport_close(self)
    if self.phase != TRANSPORT_OPEN or self.ending or self.failure != TRANSPORT_FINE:
        return
    self.ending = True
    if self.tls.layer != TLS_NONE:
        tls_shutdown(&self.tls)
        _send_unasked(self)
    else:
        _send_sealed(self)


cdef void transport_close(Transport *self) noexcept nogil:
    """Close at once and give everything back; `failure` and `detail` stay. May be called again, anywhere."""
    if self.phase == TRANSPORT_CLOSED:
        return
    self.phase = TRANSPORT_CLOSED
    timer_stop(self.loop, &self.timer)
    loop_forget(self.loop, &self.source)
    tls_close(&self.tls)
    octets_close(&self.sealed)
    octets_close(&self.early)
    self.blocked = False
    if self.source.fd >= 0:
        close(self.source.fd)
    self.source.fd = -1
