/* What the two halves of gblast share: the order (what is asked for), the tally (what came of it), a connection. */
#ifndef BENCH_GBLAST_H
#define BENCH_GBLAST_H
#include "io.h"
#include <nghttp2/nghttp2.h>

typedef struct {
  int port, source;   /* connections come from 127.0.0.SOURCE; 0: the kernel says from where */
  int conns, streams; /* streams: calls at once on each connection */
  int fields, varied; /* metadata fields beside the usual ones; how many have a new value in each call */
  long calls, warm;
  uint32_t request_size, response_size, response_count;
  double timeout; /* seconds */
  double rate;    /* calls per second, whatever the answers do; 0: as fast as they come */
  const char *path, *authority, *mode;
  bool plain, resume, burst, verbose;
  bool churn, hold; /* what `mode` says */
  uint8_t *body;    /* the one request message, with its prefix */
  uint32_t body_length;
  uint64_t expected; /* octets of DATA in a whole answer */
} order_t;

#define LATENCY_STEPS 4096 /* each 1 % wider than the one before */

typedef struct {
  long issued, quota, ok, failed, conn_failed, resets, handshakes, resumed;
  uint64_t received, received_data, received_frames;
  bool measuring;
  bool ramping; /* one call at a time on each connection */
  bool paced;   /* calls begin when they are due */
  uint64_t latency[LATENCY_STEPS], latency_max, latency_sum, latency_count; /* ns */
  char error[256];                                                          /* the first that went wrong */
} tally_t;

typedef struct {
  uint32_t id;
  uint64_t begun;
  uint64_t got;       /* octets of DATA */
  uint32_t body_left; /* octets of the request still to be sent */
  int64_t window;
  bool active, status_ok, grpc_ok;
} call_t;

/* A block of indexed fields alone means the same until something is inserted into the table. */
typedef struct {
  uint8_t block[256];
  int length; /* -1: nothing remembered */
  bool status_ok, grpc_ok;
} known_t;

typedef struct conn {
  io_t io;
  bool connected, shaken, settings_seen, dead, closing, goaway;
  bool body_waits; /* a request body waits for credit or for the socket */
  uint8_t *rest;   /* a frame that has not come whole */
  size_t rest_filled;
  int64_t window, first_window;
  uint32_t frame_max, streams_max, next_id, active;
  call_t *calls; /* order.streams of them */
  nghttp2_hd_deflater *deflater;
  nghttp2_hd_inflater *inflater;
  uint8_t request_head[2048];
  int request_head_length; /* 0: not known by heart yet */
  known_t known_head, known_trailers;
  uint64_t taken; /* octets since the last WINDOW_UPDATE of ours */
  uint64_t begun;
} conn_t;

extern order_t order;
extern tally_t tally;
extern int ep;

/* Context and request fields, once `order` is filled. */
void conn_prepare(void);
/* A connection on its way; `old`, if there is one, is dead and used again. */
conn_t *conn_open(conn_t *old);
/* The socket may be ready for `events`; 0: just start calls. */
void conn_drive(conn_t *conn, uint32_t events);
/* Begin a call that was due at `begun`: false if the connection has no room for it. conn_drive sends it. */
bool conn_call(conn_t *conn, uint64_t begun);
/* Remember the first thing that went wrong. */
void note_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
#endif
