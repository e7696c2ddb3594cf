/* What the three tools share: a socket with or without TLS and a write buffer, frame heads, epoll. Knows no HTTP. */
#ifndef BENCH_IO_H
#define BENCH_IO_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { F_DATA, F_HEADERS, F_PRIORITY, F_RST, F_SETTINGS, F_PUSH, F_PING, F_GOAWAY, F_WINDOW, F_CONTINUATION };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, PRIORITY = 32 };

#define FRAME_HEAD 9
#define READ_ROOM (256 * 1024)
#define RECORD 16384

typedef struct {
  int fd;
  SSL *ssl; /* NULL: cleartext */
  uint8_t *out;
  size_t sent, filled, room; /* out[sent, filled) waits for the socket */
  bool want_write;           /* the last flush stopped because the socket was full */
  bool armed;                /* EPOLLOUT is registered */
} io_t;

static inline void die(const char *what) {
  perror(what);
  ERR_print_errors_fp(stderr);
  exit(1);
}

static inline size_t io_pending(const io_t *io) {
  return io->filled - io->sent;
}

/* Room for `length` octets at the end of the write buffer; the caller moves `filled`. */
static inline uint8_t *io_reserve(io_t *io, size_t length) {
  if (io->sent == io->filled) {
    io->sent = io->filled = 0;
  }
  if (io->filled + length > io->room && io->sent) {
    memmove(io->out, io->out + io->sent, io_pending(io));
    io->filled -= io->sent;
    io->sent = 0;
  }
  if (io->filled + length > io->room) {
    size_t room = io->room ? io->room : 4096;
    while (room < io->filled + length) {
      room *= 2;
    }
    io->out = realloc(io->out, room);
    if (!io->out) {
      die("realloc");
    }
    io->room = room;
  }
  return io->out + io->filled;
}

/* Octets read, 0 if there are none now, -1 if the connection is closed or broken. */
static inline ssize_t io_read(io_t *io, uint8_t *into, size_t room) {
  if (io->ssl) {
    ERR_clear_error();
    int got = SSL_read(io->ssl, into, (int)room);
    if (got > 0) {
      return got;
    }
    int why = SSL_get_error(io->ssl, got);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
  }
  ssize_t got = recv(io->fd, into, room, 0);
  if (got > 0) {
    return got;
  }
  return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

/* The TLS library holds octets that no event would tell us of. */
static inline bool io_more(const io_t *io) {
  return io->ssl && SSL_has_pending(io->ssl);
}

/* 0, or -1 if the connection is broken. */
static inline int io_flush(io_t *io) {
  io->want_write = false;
  while (io->sent < io->filled) {
    size_t length = io_pending(io);
    ssize_t took;
    bool full;
    if (io->ssl) {
      ERR_clear_error();
      took = SSL_write(io->ssl, io->out + io->sent, (int)(length > RECORD ? RECORD : length));
      int why = took > 0 ? 0 : SSL_get_error(io->ssl, (int)took);
      full = why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ;
    } else {
      took = send(io->fd, io->out + io->sent, length, MSG_NOSIGNAL);
      full = took < 0 && (errno == EAGAIN || errno == EINTR);
    }
    if (full) {
      io->want_write = true;
      return 0;
    }
    if (took <= 0) {
      return -1;
    }
    io->sent += (size_t)took;
  }
  io->sent = io->filled = 0;
  return 0;
}

static inline void io_arm(io_t *io, int ep, void *owner) {
  if (io->want_write != io->armed) {
    struct epoll_event event = {.events = EPOLLIN | (io->want_write ? EPOLLOUT : 0), .data.ptr = owner};
    epoll_ctl(ep, EPOLL_CTL_MOD, io->fd, &event);
    io->armed = io->want_write;
  }
}

static inline void io_watch(io_t *io, int ep, uint32_t events, void *owner) {
  struct epoll_event event = {.events = events, .data.ptr = owner};
  epoll_ctl(ep, EPOLL_CTL_ADD, io->fd, &event);
  io->armed = (events & EPOLLOUT) != 0;
}

/* 1 done, 0 goes on when the socket is ready, -1 failed. */
static inline int io_handshake(io_t *io, int ep, void *owner) {
  ERR_clear_error();
  int done = SSL_do_handshake(io->ssl);
  if (done == 1) {
    return 1;
  }
  int why = SSL_get_error(io->ssl, done);
  if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
    return -1;
  }
  io->want_write = why == SSL_ERROR_WANT_WRITE;
  io_arm(io, ep, owner);
  return 0;
}

static inline void io_no_delay(int fd) {
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static inline struct sockaddr_in io_loopback(int port) {
  return (struct sockaddr_in){
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static inline int io_listen(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in at = io_loopback(port);
  if (bind(fd, (void *)&at, sizeof at) || listen(fd, 4096)) {
    die("bind");
  }
  return fd;
}

/* A socket on its way to `port` of this machine. */
/* A connection on its way to a port of loopback, from 127.0.0.`source` if that is not 0: each address has its own
 * ports, which 20,000 connections would use up. */
static inline int io_connect(int port, int source) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    die("socket");
  }
  io_no_delay(fd);
  struct sockaddr_in at = io_loopback(port);
  if (source) {
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(0x7f000000u + (uint32_t)source)};
    int late = 1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late, sizeof late);
    if (bind(fd, (void *)&from, sizeof from)) {
      die("bind");
    }
  }
  if (connect(fd, (void *)&at, sizeof at) && errno != EINPROGRESS) {
    die("connect");
  }
  return fd;
}

/* ALPN: h2 or nothing. */
static inline int io_choose_h2(SSL *ssl, const unsigned char **out, unsigned char *length,
                               const unsigned char *offered, unsigned total, void *unused) {
  (void)ssl, (void)unused;
  for (unsigned at = 0; at + 2 < total; at += offered[at] + 1) {
    if (offered[at] == 2 && offered[at + 1] == 'h' && offered[at + 2] == '2') {
      *out = offered + at + 1;
      *length = 2;
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static inline SSL_CTX *io_server_context(const char *certificate, const char *key) {
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
    die("certificate");
  }
  SSL_CTX_set_alpn_select_cb(context, io_choose_h2, NULL);
  return context;
}

static inline void put32(uint8_t *at, uint32_t value) {
  at[0] = (uint8_t)(value >> 24);
  at[1] = (uint8_t)(value >> 16);
  at[2] = (uint8_t)(value >> 8);
  at[3] = (uint8_t)value;
}

static inline uint32_t get32(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint32_t get24(const uint8_t *at) {
  return (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
}

static inline void put_head(uint8_t *at, uint32_t length, uint8_t type, uint8_t flags, uint32_t stream) {
  at[0] = (uint8_t)(length >> 16);
  at[1] = (uint8_t)(length >> 8);
  at[2] = (uint8_t)length;
  at[3] = type;
  at[4] = flags;
  put32(at + 5, stream);
}

static inline void put_setting(uint8_t *at, uint16_t name, uint32_t value) {
  at[0] = (uint8_t)(name >> 8);
  at[1] = (uint8_t)name;
  put32(at + 2, value);
}

/* Write a whole frame; `payload` may be NULL for zeros. */
static inline void io_frame(io_t *io, uint8_t type, uint8_t flags, const uint8_t *payload, uint32_t length) {
  uint8_t *at = io_reserve(io, FRAME_HEAD + length);
  put_head(at, length, type, flags, 0);
  if (payload) {
    memcpy(at + FRAME_HEAD, payload, length);
  } else {
    memset(at + FRAME_HEAD, 0, length);
  }
  io->filled += FRAME_HEAD + length;
}

/* WINDOW_UPDATE for the connection. */
static inline void io_give_credit(io_t *io, uint32_t credit) {
  uint8_t payload[4];
  put32(payload, credit);
  io_frame(io, F_WINDOW, 0, payload, sizeof payload);
}

static inline uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}
#endif
