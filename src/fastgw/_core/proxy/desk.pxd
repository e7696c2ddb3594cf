"""What one worker has at hand: its loop, memory, links, pools, exchanges, snapshot and meter."""
from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from fastgw._core.buf cimport Chain, Memory, Octets, Slots
from fastgw._core.h2.conn cimport Conn, ConnEvents, ConnRoom
from fastgw._core.h2.settings cimport Settings
from fastgw._core.h2.stream cimport Stream
from fastgw._core.inspect.access cimport AccessCall
from fastgw._core.inspect.gate cimport Inspector, Verdict
from fastgw._core.inspect.places cimport Place
from fastgw._core.inspect.rows cimport RuleRow
from fastgw._core.io.fingerprint cimport Fingerprint
from fastgw._core.io.loop cimport Loop, Source, Timer
from fastgw._core.io.openssl cimport SSL_CTX, SSL_SESSION
from fastgw._core.io.proxy_protocol cimport Network
from fastgw._core.io.peer cimport PeerTexts
from fastgw._core.io.transport cimport Endpoint, Transport
from fastgw._core.proxy.ask cimport Ask, AskBox
from fastgw._core.proxy.hooks cimport HookMemo, HookRow
from fastgw._core.proxy.meter cimport Meter
from fastgw._core.proxy.endpoints cimport EndpointState
from fastgw._core.proxy.route cimport (
    EndpointRow, HostRow, OriginPolicy, OriginRow, RouteRow, SnapshotData, ZoneRow)
from fastgw._core.rules.facts cimport CALL_TEXTS, NUMBER_FACTS, TEXT_FACTS, RuleFacts, RuleText
from fastgw._core.wire.grpc cimport MessageScan

cdef enum:
    LISTENERS_MAX = 256     # a replaced process with fewer workers gives each more sockets

cpdef enum Half:                # one direction of an exchange; broken is final
    OPEN_HALF = 0
    ENDED_HALF = 1              # END_STREAM has come in
    BROKEN_HALF = 2             # reset or lost

cpdef enum Side:                # who is to blame
    SIDE_GATEWAY = 0
    SIDE_CLIENT = 1
    SIDE_ORIGIN = 2

cpdef enum Phase:               # when it happened
    PHASE_POLICY = 0
    PHASE_DNS
    PHASE_CONNECT
    PHASE_TLS
    PHASE_SETTINGS
    PHASE_STREAM

ctypedef struct SnapshotUse:
    # One worker's hold on one snapshot: while it is current, and while exchanges refer to its rows.
    const SnapshotData *data
    uint32_t uses

cdef struct CallFacts:
    # What rules are told of a call, put together anew for each; only what they ask for is written.
    RuleFacts facts
    RuleText texts[TEXT_FACTS]
    int64_t numbers[NUMBER_FACTS]
    RuleText call_texts[CALL_TEXTS]
    Verdict verdict
    uint8_t client[16]
    char ray[24]
    uint64_t seed[2]

cdef struct LinkFacts:
    # What is found out about a connection when a rule first asks for it.
    bint addressed              # the next three are known
    uint8_t server[16]          # the address the client connected to
    uint8_t server_length       # 4 or 16; 0: it has none
    uint16_t server_port
    uint64_t placed             # number of the databases that were asked where it is; 0: none was
    Place place
    bint certified              # the next two are known
    Octets certificate          # what the client's says, see PeerTexts; empty: it showed none
    PeerTexts texts
    uint8_t *der                # its certificate, on the heap; NULL: not looked at, or none
    uint32_t der_length
    uint8_t der_digest[32]

ctypedef struct AccessStay:
    # What a caller was admitted by, kept while its stream is open in zones that look at it again.
    AccessCall call
    uint64_t number             # of the policies that admitted it, and their epoch
    uint64_t epoch
    Octets path
    uint32_t hostname_length
    uint32_t client_length      # 4 or 16; 0: it has no address
    uint8_t client[16]
    uint8_t hostname[253]

cdef struct Desk
cdef struct Link
cdef struct Exchange
cdef struct Pool

cdef struct Link:
    # One connection: a transport and the HTTP/2 connection on it.
    Transport transport         # first: the loop and the transport hand it back by this address
    Conn conn
    Desk *desk
    Octets rest                 # plaintext of a frame that is not complete yet
    Timer timer                 # preface and SETTINGS, then idleness
    uint64_t opened_at          # ns, HTTP/2 began
    uint64_t active_at          # ns, last octets in
    uint64_t blocked_at         # ns, the peer was last seen to take something; 0: the socket is not blocked
    uint64_t rest_at            # ns, when the frame of which `rest` is the beginning began to come
    uint64_t delivered          # transport_delivered at that time
    uint64_t drained_at         # ns, the first GOAWAY of a drain
    uint64_t leave_at           # ns, toward a client: when it is told to go; 0: never
    uint64_t held               # toward a client: octets that wait here in its calls, both ways
    Link *next                  # in its list: the desk's clients or its pool's links
    Link *previous
    Link *next_dirty
    Link *next_dead
    bint open                   # the transport is open and `conn` has begun
    bint counted                # toward an origin: no longer counted as connecting
    bint dead                   # buried: memory goes when the turn ends
    bint draining               # takes no new calls
    bint ending                 # our half is closed; what still comes is not read
    bint resting                # has given back what an idle link can do without
    bint abandoned              # its streams are lost, and the time to read why has begun
    # toward a client
    uint8_t peer[28]            # struct sockaddr
    uint64_t certificate        # key of the certificate shown; 0 in cleartext
    uint32_t demand             # of the certificate's row by which the client was judged; 0: none
    uint16_t tls_version        # TlsVersion; 0: not known, or cleartext
    LinkFacts *facts            # NULL: no rule has asked for any
    Fingerprint *print_         # of its ClientHello; NULL: no zone wanted it when the client came
    const HostRow *approved     # the row last found to be allowed here, in this revision:
    uint64_t approved_revision
    # toward an origin
    Pool *pool                  # NULL: this is a client's
    Endpoint *endpoint          # its own
    SnapshotUse *use            # held until the handshake is over: it owns what `endpoint` points to
    uint64_t verified_at        # ns: its certificate was shown, to it or to the connection whose session it took up
    uint64_t retires_at         # ns: takes no new calls from then on; 0: never
    uint64_t asked_at           # ns, a keepalive PING that is not answered yet; 0: none

cdef struct Pool:
    # One worker's open connections to one endpoint, and the exchanges that wait for a stream on one.
    Desk *desk
    EndpointState *state
    OriginPolicy policy         # as the snapshot said in which it was used last
    uint64_t revision           # of that snapshot
    Link *links
    uint32_t open               # links that may take calls
    uint32_t connecting
    Exchange *waiting_first
    Exchange *waiting_last
    uint32_t waiting
    uint64_t again_at           # ns: no new connection for those that wait before this
    Timer again
    int64_t turn                # balance: what it has saved up for its turn, in weights
    uint32_t retry_tokens       # tenths of a retry it may still cause
    uint64_t keepalive_least    # ns between two PINGs, as the endpoint has taught us
    SSL_SESSION *session        # TLS that the next connection may take up; NULL: none
    const SSL_CTX *session_context  # it was opened from this one
    uint64_t session_verified_at    # ns: see Link

ctypedef struct Pace:
    # What one call may send, and has sent of late; levels are times the period's milliseconds. All 0: what it likes.
    uint32_t messages_most      # of the request, in a period; 0: any number
    uint32_t messages_period_ms
    uint64_t octets_most        # likewise
    uint32_t octets_period_ms
    bint slowed                 # credit was kept back
    bint foreign                # the answer is not gRPC: it has no messages
    uint64_t messages           # level
    uint64_t octets             # level
    uint64_t at_ms              # when the levels were that
    uint64_t seen               # messages that are in the level
    uint64_t owed               # octets of credit that the client gets when there is room
    uint64_t due_at             # ns, when to look; 0: nothing is owed

ctypedef struct Ledger:
    # Credit of one direction: who takes octets in owes them back.
    MessageScan scan
    uint64_t octets             # of DATA passed on or waiting
    uint8_t half                # Half

cdef struct Exchange:
    # One request and its response.
    Desk *desk
    SnapshotUse *use
    const ZoneRow *zone
    const RouteRow *route
    const OriginRow *row        # where it goes
    const char *asked_for       # what the origin is told it is asked for, by a rule; NULL: as without
    uint32_t asked_for_length
    const EndpointRow *endpoint     # of this attempt; NULL: there was none
    Link *client_link           # good while `client` is not NULL
    Stream *client              # NULL: has ended or broken
    Stream *origin              # NULL: not leased yet, has ended or broken
    Pool *waits_for             # in this pool's queue, next and previous are its neighbours
    Exchange *next
    Exchange *previous
    # what is kept of the request until the answer begins, see proxy.attempt
    Octets head                 # its fields
    Chain kept                  # its DATA
    bint keeping                # all there was is in `head` and `kept`
    bint seeking                # a stream toward an origin is wanted and not there yet: DATA waits in `kept`
    uint64_t kept_waiting       # octets of `kept` that wait for that stream
    uint64_t paid               # octets of `kept` for which the client has got its credit back
    uint64_t replayed           # of those, octets this attempt has not sent yet
    Octets answer               # a response head held back until it is clear that the call is not tried again
    uint64_t release_at         # ns, when that head goes on after all; 0: there is none
    uint64_t tried              # endpoints of `row`, a bit each
    uint8_t attempts            # begun so far
    uint64_t gone               # of those tried, endpoints that could not be reached
    bint running                # counted as a running call of `endpoint`
    uint64_t key                # hash of the field that `row` balances by
    uint64_t attempt_at         # ns, when this attempt's head went out
    uint64_t again_at           # ns, when the next attempt begins; 0: none is waited for
    uint64_t hedge_at           # ns, when a rival is sent after the first attempt; 0: none will be
    Stream *rival               # a second attempt beside the first: who answers first serves; NULL: there is none
    const EndpointRow *rival_endpoint
    uint64_t rival_began_at     # ns
    Ask *ask                    # what the call waits to be told; NULL: nothing
    uint64_t ask_until          # ns: it is not waited for longer
    bint changed                # what rules change of it has been changed
    uint8_t bot_score           # 1 to 99; 0: nobody asked
    uint8_t products            # that it has used, see meter.Product
    uint32_t bot_reasons        # for it, see inspect.bots
    uint16_t skipped            # phases its rules have left out, a bit each
    uint32_t hooks_done         # hooks that have been asked, or need not be
    bint guarded                # its caller has been admitted
    uint8_t guard_rounds        # questions about its caller so far
    uint64_t guard_at           # ns, when its caller is looked at again; 0: never
    AccessStay *stay            # NULL: it is not
    uint64_t deadline_at        # ns; 0: none
    bint clamped                # the deadline is not the one the client wrote
    uint64_t active_at          # ns, last octets either way
    Timer timer                 # deadline, silence, age, next attempt
    uint64_t held               # octets of both ways that wait here
    Ledger request
    Ledger response
    bint paced                  # its messages or its pace are limited
    Pace pace
    uint64_t ray                # its number, for the client and the log
    uint64_t started_at         # ns
    uint64_t answered_at        # ns, response head
    uint16_t status             # HTTP status sent to the client; 0: none
    int16_t grpc_status         # -1: none seen
    const RuleRow *rule         # that denied it; NULL: none did
    uint32_t rule_slot          # counter of the rule that denied it, or else of the last one that is logged; 0: none
    uint32_t retry_ms           # when the client may try again what a rate limit denied
    uint8_t error               # LocalReply; 0: none
    bint blamed                 # it did not go well: side and phase say who and when
    uint8_t side
    uint8_t phase
    bint grpc
    bint wants_html
    bint is_head                # HEAD request: the response has no content
    bint finished
    uint8_t peer[28]
    uint8_t path[128]           # cut
    uint8_t path_length
    uint8_t authority[64]       # cut
    uint8_t authority_length

ctypedef struct Listener:
    Source source               # first
    Desk *desk
    Timer timer                 # pauses accepting when descriptors run out
    bint tls

cdef struct Desk:
    Loop loop
    Memory memory
    ConnRoom room
    Slots links
    Slots exchanges
    Slots uses
    Slots endpoints
    Slots link_facts
    Slots stays
    uint64_t assertion[255]     # what an origin is told of a caller, until the next one
    Inspector inspector
    CallFacts known
    Slots prints
    uint8_t *net                # NET_SIZE octets: ciphertext scratch
    uint8_t *plain              # plaintext of one fill, with headroom and the rest of an earlier one in front
    Settings toward_client      # what we announce
    Settings toward_origin
    ConnEvents client_events
    ConnEvents origin_events
    void (*lease_ready)(Exchange *exchange, Link *link) noexcept nogil
    void (*lease_failed)(Exchange *exchange, Link *link, int failure) noexcept nogil
    void (*adopt)(Desk *desk) noexcept nogil    # makes what is `published` `current`
    SnapshotUse *current        # NULL until the first snapshot is published
    uint64_t swept_revision     # of the snapshot for which pools of endpoints that are gone were looked for last
    Listener listeners[LISTENERS_MAX]
    uint32_t listener_count
    Network *balancers          # whose connections begin with a PROXY header
    uint32_t balancer_count
    Link *clients
    Pool **pools                # by number of the endpoint's state, NULL where there is none yet
    uint32_t pools_room
    uint64_t dice               # of xorshift
    Link *dirty_first
    Link *dirty_last
    Link *dead
    Exchange *dead_exchanges
    Meter meter
    uint64_t kept               # octets kept of requests
    uint64_t ray                # of the next exchange
    const HookRow *hooks        # whom to ask about which call
    uint32_t hook_count
    AskBox *box                 # where; NULL: there are no hooks
    HookMemo *memos             # what was answered; NULL: nothing is remembered
    uint32_t asking             # questions that are out
    uint32_t asking_most
    # said by other threads, read between two turns
    Ask *answered
    SnapshotData *published
    int drain_wanted
    int stop_wanted
    # drain
    bint draining
    Timer drain_timer
    uint32_t drain_timeout_ms
    bint log                    # finished exchanges go into the ring


cdef inline SnapshotUse *desk_snapshot(Desk *self) noexcept nogil:
    """The snapshot in force for what begins now: whoever called publish may rely on it."""
    if self.published != NULL:
        self.adopt(self)
    return self.current


cdef inline uint64_t desk_dice(Desk *self) noexcept nogil:
    """The next number drawn by lot: xorshift64*, good enough to spread calls, not to keep a secret."""
    self.dice ^= self.dice >> 12
    self.dice ^= self.dice << 25
    self.dice ^= self.dice >> 27
    return self.dice * <uint64_t>0x2545f4914f6cdd1d
