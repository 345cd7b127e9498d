// The providers that a static executable has; the macro acts in an inline function of the header.
#define RDMA_STATIC_PROVIDERS rxe, mlx4, mlx5
#include "CVerbs.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <infiniband/verbs.h>
#include <string.h>
#include <sys/resource.h>

static int made(void *object, void **out) {
    if (!object) return errno > 0 ? -errno : -EIO;
    *out = object;
    return 0;
}

// MARK: Device

int cverbs_allow_locked_memory(void) {
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    return setrlimit(RLIMIT_MEMLOCK, &limit) == 0 ? 0 : -errno;
}

int cverbs_open(const char *name, void **context) {
    struct ibv_device **list = ibv_get_device_list(NULL);
    if (!list) return -errno;
    struct ibv_context *found = NULL;
    errno = ENODEV;
    for (int i = 0; list[i] && !found; i++)
        if (strcmp(name, ibv_get_device_name(list[i])) == 0) found = ibv_open_device(list[i]);
    int code = made(found, context);
    ibv_free_device_list(list);
    return code;
}

void cverbs_free_context(void *context) { (void)ibv_close_device(context); }

int cverbs_query_port(void *context, uint8_t port, struct cverbs_port *out) {
    struct ibv_port_attr port_attributes;
    int code = ibv_query_port(context, port, &port_attributes);
    if (code != 0) return -code;
    *out = (struct cverbs_port){
        .state = port_attributes.state, .lid = port_attributes.lid, .mtu = port_attributes.active_mtu,
        .is_infiniband = port_attributes.link_layer != IBV_LINK_LAYER_ETHERNET, .gids = port_attributes.gid_tbl_len};
    return 0;
}

int cverbs_query_gid(void *context, uint8_t port, int index, struct cverbs_gid *out) {
    struct ibv_gid_entry entry;
    int code = ibv_query_gid_ex(context, port, index, &entry, 0);
    if (code != 0) return code > 0 ? -code : code;
    memcpy(out->bytes, entry.gid.raw, sizeof out->bytes);
    out->type = entry.gid_type;
    return 0;
}

const char *cverbs_port_state_text(uint32_t state) { return ibv_port_state_str(state); }
const char *cverbs_status_text(int32_t status) { return ibv_wc_status_str(status); }

// MARK: Memory

int cverbs_create_domain(void *context, void **domain) { return made(ibv_alloc_pd(context), domain); }
void cverbs_free_domain(void *domain) { (void)ibv_dealloc_pd(domain); }

int cverbs_create_region(void *domain, void *memory, size_t size, void **region) {
    return made(ibv_reg_mr(domain, memory, size, IBV_ACCESS_LOCAL_WRITE), region);
}
void cverbs_free_region(void *region) { (void)ibv_dereg_mr(region); }

// MARK: Completions

int cverbs_create_channel(void *context, void **channel) {
    int code = made(ibv_create_comp_channel(context), channel);
    if (code < 0) return code;
    int descriptor = ((struct ibv_comp_channel *)*channel)->fd;
    if (fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK) == 0) return 0;
    code = -errno;
    (void)ibv_destroy_comp_channel(*channel);
    return code;
}
int cverbs_channel_descriptor(void *channel) { return ((struct ibv_comp_channel *)channel)->fd; }
void cverbs_free_channel(void *channel) { (void)ibv_destroy_comp_channel(channel); }

int cverbs_create_completion_queue(void *context, void *channel, int count, void **queue) {
    return made(ibv_create_cq(context, count, NULL, channel, 0), queue);
}

int cverbs_arm(void *queue, bool solicited_only) { return -ibv_req_notify_cq(queue, solicited_only); }

int cverbs_take_event(void *channel, void *queue) {
    struct ibv_cq *event;
    void *unused;
    if (ibv_get_cq_event(channel, &event, &unused) != 0) return 0;
    ibv_ack_cq_events(queue, 1);
    return 1;
}

int cverbs_next_completion(void *queue, struct cverbs_completion *out) {
    struct ibv_wc completion;
    int count = ibv_poll_cq(queue, 1, &completion);
    if (count < 0) return -EIO;
    if (count == 0) return 0;
    bool is_success = completion.status == IBV_WC_SUCCESS;
    *out = (struct cverbs_completion){.id = completion.wr_id, .status = completion.status};
    if (is_success && completion.opcode & IBV_WC_RECV) {
        out->is_receive = true;
        out->count = completion.byte_len;
        out->immediate = completion.wc_flags & IBV_WC_WITH_IMM ? ntohl(completion.imm_data) : 0;
    }
    return 1;
}
void cverbs_free_completion_queue(void *queue) { (void)ibv_destroy_cq(queue); }

// MARK: Queue pairs

int cverbs_create_queue_pair(void *domain, void *queue, int sends, int receives, uint8_t port, void **pair, uint32_t *inline_bytes) {
    struct ibv_qp_init_attr wanted = {
        .send_cq = queue, .recv_cq = queue, .qp_type = IBV_QPT_RC, .sq_sig_all = 1,
        .cap = {.max_send_wr = (uint32_t)sends, .max_recv_wr = (uint32_t)receives, .max_send_sge = 1, .max_recv_sge = 1, .max_inline_data = *inline_bytes}};
    int code = made(ibv_create_qp(domain, &wanted), pair);
    if (code < 0) return code;
    *inline_bytes = wanted.cap.max_inline_data;
    // No access flag: a peer can write to nothing and read nothing.
    struct ibv_qp_attr first = {.qp_state = IBV_QPS_INIT, .port_num = port};
    code = ibv_modify_qp(*pair, &first, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
    if (code == 0) return 0;
    (void)ibv_destroy_qp(*pair);
    return -code;
}

uint32_t cverbs_queue_pair_number(void *pair) { return ((struct ibv_qp *)pair)->qp_num; }

int cverbs_connect(void *pair, const struct cverbs_path *path, const struct cverbs_address *mine, const struct cverbs_address *theirs) {
    struct ibv_qp_attr receive = {
        .qp_state = IBV_QPS_RTR, .path_mtu = mine->mtu < theirs->mtu ? mine->mtu : theirs->mtu, .dest_qp_num = theirs->queue_pair,
        .rq_psn = theirs->first_packet, .min_rnr_timer = 12,
        .ah_attr = {.dlid = theirs->lid, .port_num = path->port, .is_global = path->is_global,
                    .grh = {.sgid_index = path->gid_index, .hop_limit = 64}}};
    memcpy(receive.ah_attr.grh.dgid.raw, theirs->gid, sizeof theirs->gid);
    int code = ibv_modify_qp(pair, &receive,
        IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER);
    if (code != 0) return -code;
    struct ibv_qp_attr send = {
        .qp_state = IBV_QPS_RTS, .timeout = path->timeout, .retry_cnt = path->retries, .rnr_retry = path->unready_retries, .sq_psn = mine->first_packet};
    return -ibv_modify_qp(pair, &send,
        IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC);
}

int cverbs_post_receive(void *pair, void *region, uint64_t id, void *memory, uint32_t count) {
    struct ibv_sge piece = {(uintptr_t)memory, count, ((struct ibv_mr *)region)->lkey};
    struct ibv_recv_wr request = {.wr_id = id, .sg_list = &piece, .num_sge = 1}, *bad;
    return -ibv_post_recv(pair, &request, &bad);
}

int cverbs_post_send(void *pair, void *region, uint64_t id, const void *memory, uint32_t count, uint32_t immediate, bool is_inline) {
    struct ibv_sge piece = {(uintptr_t)memory, count, ((struct ibv_mr *)region)->lkey};
    struct ibv_send_wr request = {
        .wr_id = id, .sg_list = &piece, .num_sge = count > 0, .opcode = IBV_WR_SEND_WITH_IMM, .imm_data = htonl(immediate),
        .send_flags = IBV_SEND_SIGNALED | IBV_SEND_SOLICITED | (is_inline ? IBV_SEND_INLINE : 0)}, *bad;
    return -ibv_post_send(pair, &request, &bad);
}
void cverbs_free_queue_pair(void *pair) { (void)ibv_destroy_qp(pair); }
