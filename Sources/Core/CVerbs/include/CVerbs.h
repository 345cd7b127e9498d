// libibverbs as Swift calls it: reliable connections with SEND and RECV only. Every function returns a value >= 0, or -errno. What one of the
// create functions gave is freed by the free function of the same name, after everything that was made from it.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cverbs_port {
    uint32_t state;        // enum ibv_port_state
    uint16_t lid;
    uint8_t mtu;           // of the link now, enum ibv_mtu: 1 is 256 bytes, 5 is 4096
    bool is_infiniband;    // the link layer
    int gids;
};

struct cverbs_gid {
    uint8_t bytes[16];
    uint32_t type;         // enum ibv_gid_type: 0 InfiniBand, 1 RoCE v1, 2 RoCE v2
};

// One end of a reliable connection, as the other end has to know it.
struct cverbs_address {
    uint8_t gid[16];
    uint32_t queue_pair;
    uint32_t first_packet; // starting packet sequence number, 24 bits
    uint16_t lid;
    uint8_t mtu;
};

struct cverbs_path {
    uint8_t port;
    bool is_global;        // by GID; by LID within one InfiniBand subnet
    uint8_t gid_index;
    uint8_t timeout;       // 4.096 us * 2^timeout before a packet is sent again
    uint8_t retries;       // how often; 7 means for ever to some providers
    uint8_t unready_retries;
};

struct cverbs_completion {
    uint64_t id;
    uint32_t count;        // bytes received
    uint32_t immediate;
    int32_t status;        // enum ibv_wc_status; 0 is success
    bool is_receive;       // known only after success
};

// Registered memory is locked: a process without CAP_IPC_LOCK may lock as much as its limit says. Raising the limit takes CAP_SYS_RESOURCE.
int cverbs_allow_locked_memory(void);
int cverbs_open(const char *name, void **context);
void cverbs_free_context(void *context);
int cverbs_query_port(void *context, uint8_t port, struct cverbs_port *out);
int cverbs_query_gid(void *context, uint8_t port, int index, struct cverbs_gid *out);
const char *cverbs_port_state_text(uint32_t state);
const char *cverbs_status_text(int32_t status);

int cverbs_create_domain(void *context, void **domain);
void cverbs_free_domain(void *domain);
int cverbs_create_region(void *domain, void *memory, size_t size, void **region);
void cverbs_free_region(void *region);
int cverbs_create_channel(void *context, void **channel);
int cverbs_channel_descriptor(void *channel);
void cverbs_free_channel(void *channel);
int cverbs_create_completion_queue(void *context, void *channel, int count, void **queue);
int cverbs_arm(void *queue, bool solicited_only);
// Takes one event, if there is one: the number of them. Whoever arms twice may find two.
int cverbs_take_event(void *channel, void *queue);
int cverbs_next_completion(void *queue, struct cverbs_completion *out);
void cverbs_free_completion_queue(void *queue);

// In state INIT: receives can be posted. `inline_bytes` is what was granted.
int cverbs_create_queue_pair(void *domain, void *queue, int sends, int receives, uint8_t port, void **pair, uint32_t *inline_bytes);
uint32_t cverbs_queue_pair_number(void *pair);
// INIT to RTR to RTS.
int cverbs_connect(void *pair, const struct cverbs_path *path, const struct cverbs_address *mine, const struct cverbs_address *theirs);
int cverbs_post_receive(void *pair, void *region, uint64_t id, void *memory, uint32_t count);
int cverbs_post_send(void *pair, void *region, uint64_t id, const void *memory, uint32_t count, uint32_t immediate, bool is_inline);
void cverbs_free_queue_pair(void *pair);
