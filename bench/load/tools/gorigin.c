/* gorigin: a small and fast gRPC origin, one thread, TLS (ALPN h2) and cleartext.
 *
 * It does not decode request heads. What to answer stands in the first 16 octets of the first request message:
 *   'G' 'B' '0' '1' | u32 number of messages | u32 octets of each | u32 0
 * and without that it is one message of 100. The answer is a head, DATA frames cut at the peer's largest frame,
 * and trailers with grpc-status 0. Flow control is obeyed.
 *   gorigin --tls-port N --plain-port N --cert FILE --key FILE */
#include "io.h"

#define BUCKETS 1024
#define ORDER (5 + 16)           /* prefix of a message and what is read of it */
#define PENDING_MAX (128 * 1024) /* more is made when this has gone */
#define TURN (64 * 1024)         /* octets of one stream before it is the next one's turn */
#define FILLER (1 << 20)
#define CREDIT_STEP (1u << 29)
#define FRAME_MAX 65536

typedef struct stream {
  uint32_t id;
  struct stream *next_in_bucket, *next_in_queue;
  uint8_t order[ORDER];
  uint8_t order_filled;
  bool queued, head_sent, ended;
  uint32_t messages_left, message_size;
  uint32_t message_sent; /* octets of the current message, its prefix included */
  int64_t window;
} stream_t;

typedef struct conn {
  io_t io;
  bool listener, tls, shaken, preface_seen, dead;
  uint8_t *rest; /* a frame that has not come whole */
  size_t rest_filled;
  /* what the peer allows */
  int64_t window, first_window;
  uint32_t frame_max;
  /* our HPACK table: what is in it, or that it must not be used */
  bool no_table, said_no_table, has_type, has_status;
  uint64_t taken; /* octets since the last WINDOW_UPDATE of ours */
  stream_t *buckets[BUCKETS];
  stream_t *queue_first, *queue_last;
  uint32_t last_stream;
  struct conn *next_dead;
} conn_t;

static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
static const char TYPE[] = "application/grpc";

static int ep;
static SSL_CTX *context;
static stream_t *free_streams;
static uint8_t *filler, *scratch;
static uint64_t connection_count, call_count;
static conn_t *dead_conns;
static volatile sig_atomic_t stop;

static stream_t **bucket_of(conn_t *conn, uint32_t id) {
  return &conn->buckets[(id >> 1) & (BUCKETS - 1)];
}

static stream_t *stream_new(conn_t *conn, uint32_t id) {
  stream_t *stream = free_streams, **bucket = bucket_of(conn, id);
  if (stream) {
    free_streams = stream->next_in_bucket;
  } else {
    stream = malloc(sizeof *stream);
  }
  memset(stream, 0, sizeof *stream);
  stream->id = id;
  stream->window = conn->first_window;
  stream->messages_left = 1;
  stream->message_size = 100;
  stream->next_in_bucket = *bucket;
  *bucket = stream;
  return stream;
}

static stream_t *stream_get(conn_t *conn, uint32_t id) {
  stream_t *stream = *bucket_of(conn, id);
  while (stream && stream->id != id) {
    stream = stream->next_in_bucket;
  }
  return stream;
}

/* The stream must not be queued. */
static void stream_free(conn_t *conn, stream_t *stream) {
  stream_t **at = bucket_of(conn, stream->id);
  while (*at && *at != stream) {
    at = &(*at)->next_in_bucket;
  }
  if (*at) {
    *at = stream->next_in_bucket;
  }
  stream->next_in_bucket = free_streams;
  free_streams = stream;
}

static void queue_add(conn_t *conn, stream_t *stream) {
  if (stream->queued) {
    return;
  }
  stream->queued = true;
  stream->next_in_queue = NULL;
  if (conn->queue_last) {
    conn->queue_last->next_in_queue = stream;
  } else {
    conn->queue_first = stream;
  }
  conn->queue_last = stream;
}

static stream_t *queue_take(conn_t *conn) {
  stream_t *stream = conn->queue_first;
  conn->queue_first = stream->next_in_queue;
  if (!conn->queue_first) {
    conn->queue_last = NULL;
  }
  stream->queued = false;
  return stream;
}

static void queue_remove(conn_t *conn, stream_t *stream) {
  stream_t **at = &conn->queue_first, *before = NULL;
  while (*at && *at != stream) {
    before = *at;
    at = &(*at)->next_in_queue;
  }
  if (*at) {
    *at = stream->next_in_queue;
    if (conn->queue_last == stream) {
      conn->queue_last = before;
    }
  }
  stream->queued = false;
}

static void close_conn(conn_t *conn) {
  if (conn->dead) {
    return;
  }
  conn->dead = true;
  epoll_ctl(ep, EPOLL_CTL_DEL, conn->io.fd, NULL);
  if (conn->io.ssl) {
    SSL_free(conn->io.ssl);
  }
  close(conn->io.fd);
  for (int number = 0; number < BUCKETS; number++) {
    while (conn->buckets[number]) {
      stream_free(conn, conn->buckets[number]);
    }
  }
  conn->next_dead = dead_conns;
  dead_conns = conn;
}

static void free_dead(void) {
  while (dead_conns) {
    conn_t *conn = dead_conns;
    dead_conns = conn->next_dead;
    free(conn->rest);
    free(conn->io.out);
    free(conn);
  }
}

static uint8_t *put_text(uint8_t *at, const char *text) {
  size_t length = strlen(text);
  *at++ = (uint8_t)length;
  memcpy(at, text, length);
  return at + length;
}

static void end_block(conn_t *conn, uint8_t *frame, uint8_t *end, uint8_t flags, uint32_t id) {
  put_head(frame, (uint32_t)(end - frame - FRAME_HEAD), F_HEADERS, flags, id);
  conn->io.filled += (size_t)(end - frame);
}

/* :status 200 and the content-type, from our table after the first time. */
static void put_response_head(conn_t *conn, uint32_t id) {
  uint8_t *frame = io_reserve(&conn->io, 64), *at = frame + FRAME_HEAD;
  if (conn->no_table) {
    if (!conn->said_no_table) {
      *at++ = 0x20; /* table size 0 */
      conn->said_no_table = true;
    }
    *at++ = 0x88;
    *at++ = 0x0f; /* content-type, not indexed */
    *at++ = 0x10;
    at = put_text(at, TYPE);
  } else {
    *at++ = 0x88;
    if (!conn->has_type) {
      *at++ = 0x5f; /* content-type, into the table */
      at = put_text(at, TYPE);
      conn->has_type = true;
    } else {
      *at++ = 0x80 | (conn->has_status ? 63 : 62);
    }
  }
  end_block(conn, frame, at, END_HEADERS, id);
}

static void put_trailers(conn_t *conn, uint32_t id) {
  uint8_t *frame = io_reserve(&conn->io, 64), *at = frame + FRAME_HEAD;
  if (conn->no_table || !conn->has_status) {
    *at++ = conn->no_table ? 0x00 : 0x40;
    at = put_text(at, "grpc-status");
    at = put_text(at, "0");
    conn->has_status = !conn->no_table;
  } else {
    *at++ = 0x80 | 62;
  }
  end_block(conn, frame, at, END_HEADERS | END_STREAM, id);
}

/* One DATA frame of at most `length` octets, within one message. */
static void put_data(conn_t *conn, stream_t *stream, uint32_t length) {
  uint8_t *frame = io_reserve(&conn->io, FRAME_HEAD + length), *at = frame + FRAME_HEAD;
  put_head(frame, length, F_DATA, 0, stream->id);
  memcpy(at, filler, length);
  if (stream->message_sent < 5) {
    uint8_t prefix[5] = {0};
    put32(prefix + 1, stream->message_size);
    for (uint32_t from = stream->message_sent; from < 5 && from < stream->message_sent + length; from++) {
      at[from - stream->message_sent] = prefix[from];
    }
  }
  conn->io.filled += FRAME_HEAD + length;
  stream->window -= length;
  conn->window -= length;
  stream->message_sent += length;
  if (stream->message_sent == stream->message_size + 5) {
    stream->message_sent = 0;
    stream->messages_left--;
  }
}

typedef enum { TURN_OVER, NO_STREAM_WINDOW, NO_CONN_WINDOW } Halt;

static Halt put_messages(conn_t *conn, stream_t *stream) {
  int64_t budget = TURN;
  while (stream->messages_left && budget > 0) {
    if (stream->window <= 0) {
      return NO_STREAM_WINDOW;
    }
    if (conn->window <= 0) {
      return NO_CONN_WINDOW;
    }
    int64_t length = stream->message_size + 5 - stream->message_sent;
    length = length > conn->frame_max ? conn->frame_max : length;
    length = length > stream->window ? stream->window : length;
    length = length > conn->window ? conn->window : length;
    put_data(conn, stream, (uint32_t)length);
    budget -= length + FRAME_HEAD;
  }
  return TURN_OVER;
}

/* Answer the queued streams in turn, until enough waits for the socket. */
static void produce(conn_t *conn) {
  stream_t *kept_first = NULL, *kept_last = NULL; /* wait for credit of the connection, stay in order */
  while (conn->queue_first && io_pending(&conn->io) < PENDING_MAX) {
    stream_t *stream = queue_take(conn);
    if (!stream->head_sent) {
      put_response_head(conn, stream->id);
      stream->head_sent = true;
    }
    Halt halt = put_messages(conn, stream);
    if (!stream->messages_left) {
      put_trailers(conn, stream->id);
      stream_free(conn, stream);
      call_count++;
    } else if (halt == TURN_OVER) {
      queue_add(conn, stream);
    } else if (halt == NO_CONN_WINDOW) {
      stream->next_in_queue = NULL;
      stream->queued = true;
      if (kept_last) {
        kept_last->next_in_queue = stream;
      } else {
        kept_first = stream;
      }
      kept_last = stream;
    } /* NO_STREAM_WINDOW: its WINDOW_UPDATE will queue it */
  }
  if (kept_first) {
    kept_last->next_in_queue = conn->queue_first;
    conn->queue_first = kept_first;
    if (!conn->queue_last) {
      conn->queue_last = kept_last;
    }
  }
}

static void request_ended(conn_t *conn, stream_t *stream) {
  stream->ended = true;
  if (stream->order_filled == ORDER && !memcmp(stream->order + 5, "GB01", 4)) {
    stream->messages_left = get32(stream->order + 9);
    stream->message_size = get32(stream->order + 13);
  }
  queue_add(conn, stream);
}

static void on_head(conn_t *conn, uint32_t id, uint8_t flags) {
  stream_t *stream = stream_get(conn, id);
  if (!stream) {
    if (id <= conn->last_stream) {
      return; /* of a stream that was answered already */
    }
    conn->last_stream = id;
    stream = stream_new(conn, id);
  }
  if (flags & END_STREAM) {
    request_ended(conn, stream);
  }
}

static void on_data(conn_t *conn, uint32_t id, uint8_t flags, const uint8_t *payload, uint32_t length) {
  conn->taken += length;
  if (conn->taken >= CREDIT_STEP) {
    io_give_credit(&conn->io, (uint32_t)conn->taken);
    conn->taken = 0;
  }
  stream_t *stream = stream_get(conn, id);
  if (!stream) {
    return;
  }
  if (flags & PADDED) {
    length -= 1u + payload[0];
    payload++;
  }
  uint32_t wanted = ORDER - stream->order_filled;
  wanted = wanted > length ? length : wanted;
  memcpy(stream->order + stream->order_filled, payload, wanted);
  stream->order_filled += (uint8_t)wanted;
  if (flags & END_STREAM) {
    request_ended(conn, stream);
  }
}

static void give_window(conn_t *conn, stream_t *stream, int64_t credit) {
  stream->window += credit;
  if (stream->ended && stream->window > 0) {
    queue_add(conn, stream);
  }
}

static void on_settings(conn_t *conn, const uint8_t *payload, uint32_t length) {
  for (uint32_t at = 0; at + 6 <= length; at += 6) {
    uint32_t name = (uint32_t)payload[at] << 8 | payload[at + 1], value = get32(payload + at + 2);
    if (name == 1 && value < 256 && !conn->has_type) {
      conn->no_table = true;
    } else if (name == 4) {
      int64_t change = (int64_t)value - conn->first_window;
      conn->first_window = value;
      for (int number = 0; number < BUCKETS; number++) {
        for (stream_t *stream = conn->buckets[number]; stream; stream = stream->next_in_bucket) {
          give_window(conn, stream, change);
        }
      }
    } else if (name == 5) {
      conn->frame_max = value > FRAME_MAX ? FRAME_MAX : value;
    }
  }
  io_frame(&conn->io, F_SETTINGS, ACK, NULL, 0);
}

static void on_frame(conn_t *conn, const uint8_t *frame, uint32_t length) {
  uint8_t flags = frame[4];
  uint32_t id = get32(frame + 5) & 0x7fffffff;
  const uint8_t *payload = frame + FRAME_HEAD;
  stream_t *stream = NULL;
  switch (frame[3]) {
  case F_HEADERS:
    on_head(conn, id, flags);
    break;
  case F_DATA:
    on_data(conn, id, flags, payload, length);
    break;
  case F_SETTINGS:
    if (!(flags & ACK)) {
      on_settings(conn, payload, length);
    }
    break;
  case F_PING:
    if (!(flags & ACK)) {
      io_frame(&conn->io, F_PING, ACK, payload, 8);
    }
    break;
  case F_WINDOW:
    if (!id) {
      conn->window += get32(payload) & 0x7fffffff;
    } else if ((stream = stream_get(conn, id))) {
      give_window(conn, stream, get32(payload) & 0x7fffffff);
    }
    break;
  case F_RST:
    if ((stream = stream_get(conn, id))) {
      if (stream->queued) {
        queue_remove(conn, stream);
      }
      stream_free(conn, stream);
    }
    break;
  default:
    break;
  }
}

/* 1000 streams at once, windows of 2^30. */
static void start_h2(conn_t *conn) {
  uint8_t settings[12];
  put_setting(settings, 3, 1000);
  put_setting(settings + 6, 4, 1u << 30);
  io_frame(&conn->io, F_SETTINGS, 0, settings, sizeof settings);
  io_give_credit(&conn->io, (1u << 30) - 65535);
}

/* Take in the whole frames of scratch[0, filled). Returns where they end, or -1 to close. */
static ssize_t take_frames(conn_t *conn, size_t filled) {
  size_t at = 0;
  if (!conn->preface_seen) {
    if (filled < sizeof PREFACE - 1) {
      return 0;
    }
    if (memcmp(scratch, PREFACE, sizeof PREFACE - 1)) {
      return -1;
    }
    conn->preface_seen = true;
    at = sizeof PREFACE - 1;
  }
  while (filled - at >= FRAME_HEAD) {
    uint32_t length = get24(scratch + at);
    if (length > FRAME_MAX) {
      return -1;
    }
    if (filled - at < FRAME_HEAD + length) {
      break;
    }
    on_frame(conn, scratch + at, length);
    at += FRAME_HEAD + length;
  }
  return (ssize_t)at;
}

/* 0, or -1 to close. */
static int read_all(conn_t *conn) {
  do {
    size_t filled = conn->rest_filled;
    if (filled) {
      memcpy(scratch, conn->rest, filled);
    }
    ssize_t got = io_read(&conn->io, scratch + filled, READ_ROOM - filled);
    if (got <= 0) {
      return (int)got;
    }
    filled += (size_t)got;
    ssize_t used = take_frames(conn, filled);
    if (used < 0) {
      return -1;
    }
    conn->rest_filled = filled - (size_t)used;
    if (conn->rest_filled) {
      if (!conn->rest) {
        conn->rest = malloc(READ_ROOM);
      }
      memcpy(conn->rest, scratch + used, conn->rest_filled);
    }
  } while (io_more(&conn->io));
  return 0;
}

static void drive(conn_t *conn, uint32_t events) {
  if (conn->io.ssl && !conn->shaken) {
    int done = io_handshake(&conn->io, ep, conn);
    if (done < 0) {
      close_conn(conn);
    }
    if (done != 1) {
      return;
    }
    conn->shaken = true;
    start_h2(conn);
  }
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && read_all(conn) < 0) {
    close_conn(conn);
    return;
  }
  for (;;) {
    produce(conn);
    if (!io_pending(&conn->io)) {
      break;
    }
    if (io_flush(&conn->io) < 0) {
      close_conn(conn);
      return;
    }
    if (conn->io.want_write) {
      break;
    }
  }
  io_arm(&conn->io, ep, conn);
}

static void accept_all(const conn_t *listener) {
  for (;;) {
    int fd = accept4(listener->io.fd, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) {
      return;
    }
    io_no_delay(fd);
    conn_t *conn = calloc(1, sizeof *conn);
    conn->io.fd = fd;
    conn->window = conn->first_window = 65535;
    conn->frame_max = RECORD;
    connection_count++;
    io_watch(&conn->io, ep, EPOLLIN, conn);
    if (listener->tls) {
      conn->io.ssl = SSL_new(context);
      SSL_set_fd(conn->io.ssl, fd);
      SSL_set_accept_state(conn->io.ssl);
    } else {
      start_h2(conn);
      drive(conn, 0);
    }
  }
}

static void listen_on(int port, bool tls) {
  conn_t *conn = calloc(1, sizeof *conn);
  conn->io.fd = io_listen(port);
  conn->listener = true;
  conn->tls = tls;
  io_watch(&conn->io, ep, EPOLLIN, conn);
}

static void on_signal(int number) {
  (void)number;
  stop = 1;
}

static SSL_CTX *make_context(const char *certificate, const char *key) {
  SSL_CTX *made = io_server_context(certificate, key);
  SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION);
  SSL_CTX_set_ciphersuites(made, "TLS_AES_128_GCM_SHA256");
  SSL_CTX_set_cipher_list(made, "ECDHE-ECDSA-AES128-GCM-SHA256");
  SSL_CTX_set_mode(made, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                             SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(made, 1);
  SSL_CTX_set_default_read_buffer_len(made, 65536);
  return made;
}

static void serve(void) {
  struct epoll_event events[256];
  while (!stop) {
    int ready = epoll_wait(ep, events, 256, 1000);
    for (int at = 0; at < ready; at++) {
      conn_t *conn = events[at].data.ptr;
      if (conn->listener) {
        accept_all(conn);
      } else if (!conn->dead) {
        drive(conn, events[at].events);
      }
    }
    free_dead();
  }
}

int main(int count, char **words) {
  const char *tls_port = NULL, *plain_port = NULL, *certificate = NULL, *key = NULL;
  for (int at = 1; at + 1 < count; at += 2) {
    const char **into = !strcmp(words[at], "--tls-port")     ? &tls_port
                        : !strcmp(words[at], "--plain-port") ? &plain_port
                        : !strcmp(words[at], "--cert")       ? &certificate
                        : !strcmp(words[at], "--key")        ? &key
                                                             : NULL;
    if (!into) {
      fprintf(stderr, "gorigin: unknown option %s\n", words[at]);
      return 2;
    }
    *into = words[at + 1];
  }
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTERM, on_signal);
  signal(SIGINT, on_signal);
  scratch = malloc(READ_ROOM);
  filler = malloc(FILLER);
  for (int at = 0; at < FILLER; at++) {
    filler[at] = (uint8_t)(at * 131 + (at >> 8));
  }
  ep = epoll_create1(0);
  if (tls_port) {
    context = make_context(certificate, key);
    listen_on(atoi(tls_port), true);
  }
  if (plain_port) {
    listen_on(atoi(plain_port), false);
  }
  serve();
  fprintf(stderr, "gorigin: %lu connections, %lu calls\n", connection_count, call_count);
  return 0;
}
