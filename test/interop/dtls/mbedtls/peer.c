/*
 * One DTLS 1.2 connection of mbedTLS over UDP, as client or server, with its stock timeouts. Lines from standard input are sent; what
 * comes is printed. The peer's certificate may be any.
 *
 *   peer PORT CERTIFICATE KEY MTU      PORT 0: a server, which asks for a certificate and for a cookie
 */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_cookie.h>
#include <mbedtls/timing.h>
#include "../peer.h"

#define POLL_MS 20 /* how late its timer may be */
#define UNUSED(x) (void)(x)

static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context drbg;
static mbedtls_ssl_config config;
static mbedtls_ssl_context ssl;
static mbedtls_ssl_cookie_ctx cookies;
static mbedtls_timing_delay_context timer;
static mbedtls_x509_crt certificate;
static mbedtls_pk_context key;

static void check(const char *what, int result)
{
    if (result == 0) return;
    char why[200];
    mbedtls_strerror(result, why, sizeof why);
    fail_because(what, why);
}

static int is_to_wait(int result)
{
    return result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE;
}

static int accept_any(void *context, mbedtls_x509_crt *shown, int depth, uint32_t *flags)
{
    UNUSED(context), UNUSED(shown), UNUSED(depth);
    *flags = 0;
    return 0;
}

static int put(void *fd, const unsigned char *datagram, size_t length)
{
    /* A datagram that nobody takes is lost, which is no error of a link. */
    send(*(int *)fd, datagram, length, 0);
    return (int)length;
}

static int take(void *fd, unsigned char *datagram, size_t size)
{
    ssize_t length = recv(*(int *)fd, datagram, size, MSG_DONTWAIT);
    return length < 0 ? MBEDTLS_ERR_SSL_WANT_READ : (int)length;
}

static void configure(int is_server, const char *certificate_file, const char *key_file)
{
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&drbg);
    mbedtls_ssl_config_init(&config);
    mbedtls_x509_crt_init(&certificate);
    mbedtls_pk_init(&key);
    check("seed", mbedtls_ctr_drbg_seed(&drbg, mbedtls_entropy_func, &entropy, NULL, 0));
    check("certificate", mbedtls_x509_crt_parse_file(&certificate, certificate_file));
#if MBEDTLS_VERSION_MAJOR >= 3
    check("key", mbedtls_pk_parse_keyfile(&key, key_file, NULL, mbedtls_ctr_drbg_random, &drbg));
#else
    check("key", mbedtls_pk_parse_keyfile(&key, key_file, NULL));
#endif
    int role = is_server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT;
    check("defaults", mbedtls_ssl_config_defaults(&config, role, MBEDTLS_SSL_TRANSPORT_DATAGRAM, MBEDTLS_SSL_PRESET_DEFAULT));
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &drbg);
    check("own certificate", mbedtls_ssl_conf_own_cert(&config, &certificate, &key));
    mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(&config, &certificate, NULL);
    mbedtls_ssl_conf_verify(&config, accept_any, NULL);
    if (!is_server) return;
    mbedtls_ssl_cookie_init(&cookies);
    check("cookies", mbedtls_ssl_cookie_setup(&cookies, mbedtls_ctr_drbg_random, &drbg));
    mbedtls_ssl_conf_dtls_cookies(&config, mbedtls_ssl_cookie_write, mbedtls_ssl_cookie_check, &cookies);
}

static void shake_hands(int is_server, int *fd, int mtu)
{
    static const unsigned char somebody[] = "the only client";
    mbedtls_ssl_init(&ssl);
    check("setup", mbedtls_ssl_setup(&ssl, &config));
    mbedtls_ssl_set_timer_cb(&ssl, &timer, mbedtls_timing_set_delay, mbedtls_timing_get_delay);
    mbedtls_ssl_set_mtu(&ssl, mtu);
    mbedtls_ssl_set_bio(&ssl, fd, put, take, NULL);
    if (is_server) check("client", mbedtls_ssl_set_client_transport_id(&ssl, somebody, sizeof somebody));
    for (;;) {
        int result = mbedtls_ssl_handshake(&ssl);
        if (result == MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED) {
            check("reset", mbedtls_ssl_session_reset(&ssl));
            check("client", mbedtls_ssl_set_client_transport_id(&ssl, somebody, sizeof somebody));
        } else if (is_to_wait(result)) {
            readable(*fd, POLL_MS);
        } else {
            check("handshake", result);
            break;
        }
    }
    printf("connected %s %s\n", mbedtls_ssl_get_version(&ssl), mbedtls_ssl_get_ciphersuite(&ssl));
}

static void talk(int fd)
{
    unsigned char data[2048];
    char line[1024];
    for (;;) {
        int length = mbedtls_ssl_read(&ssl, data, sizeof data);
        if (length > 0) printf("data %.*s\n", length, data);
        if (length > 0) continue;
        if (!is_to_wait(length)) return;
        length = read_line(fd, line, sizeof line);
        if (length < 0) return;
        if (length > 0) mbedtls_ssl_write(&ssl, (unsigned char *)line, length);
    }
}

int main(int count, char **arguments)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    if (count < 5) return 2;
    int port = atoi(arguments[1]);
    configure(port == 0, arguments[2], arguments[3]);
    int fd = open_socket(port);
    shake_hands(port == 0, &fd, atoi(arguments[4]));
    talk(fd);
    mbedtls_ssl_close_notify(&ssl);
    printf("closed\n");
    return 0;
}
