/*
 * One DTLS 1.2 connection of wolfSSL over UDP, as client or server, with its stock timeouts. Lines from standard input are sent; what
 * comes is printed. The peer's certificate may be any.
 *
 *   peer PORT CERTIFICATE KEY [optional]      PORT 0: a server, which asks for a cookie, and for a certificate
 *
 * With "optional" the peer may show no certificate. A server whose own certificate is for RSA asks for one that is for RSA.
 */
#include <fcntl.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include "../peer.h"

#define POLL_MS 20 /* how late its timer may be */

static WOLFSSL *ssl;

static void check(const char *what, int result)
{
    if (result == WOLFSSL_SUCCESS) return;
    char why[WOLFSSL_MAX_ERROR_SZ];
    fail_because(what, wolfSSL_ERR_error_string(ssl == NULL ? result : wolfSSL_get_error(ssl, result), why));
}

static int is_to_wait(int result)
{
    int error = wolfSSL_get_error(ssl, result);
    return error == WOLFSSL_ERROR_WANT_READ || error == WOLFSSL_ERROR_WANT_WRITE;
}

static int accept_any(int is_fine, WOLFSSL_X509_STORE_CTX *store)
{
    (void)is_fine, (void)store;
    return 1;
}

static void configure(int is_server, int asks_all, const char *certificate_file, const char *key_file)
{
    check("library", wolfSSL_Init());
    WOLFSSL_CTX *context = wolfSSL_CTX_new(is_server ? wolfDTLSv1_2_server_method() : wolfDTLSv1_2_client_method());
    if (context == NULL) fail_because("context", "none");
    check("certificate", wolfSSL_CTX_use_certificate_file(context, certificate_file, SSL_FILETYPE_PEM));
    check("key", wolfSSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM));
    int verify = SSL_VERIFY_PEER | (asks_all ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
    wolfSSL_CTX_set_verify(context, verify, accept_any);
    ssl = wolfSSL_new(context);
    if (ssl == NULL) fail_because("session", "none");
}

static void shake_hands(int is_server, int fd)
{
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;
    getpeername(fd, (void *)&peer, &length);
    wolfSSL_dtls_set_peer(ssl, &peer, length);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    wolfSSL_dtls_set_using_nonblock(ssl, 1);
    check("socket", wolfSSL_set_fd(ssl, fd));
    long repeat_at = now_ms() + 1000L * wolfSSL_dtls_get_current_timeout(ssl);
    for (;;) {
        int result = is_server ? wolfSSL_accept(ssl) : wolfSSL_connect(ssl);
        if (result == WOLFSSL_SUCCESS) break;
        if (!is_to_wait(result)) check("handshake", result);
        readable(fd, POLL_MS);
        if (now_ms() < repeat_at) continue;
        /* Its flight is sent again. Whatever comes meanwhile does not put that off. */
        if (wolfSSL_dtls_got_timeout(ssl) != WOLFSSL_SUCCESS) fail_because("handshake", "too many timeouts");
        repeat_at = now_ms() + 1000L * wolfSSL_dtls_get_current_timeout(ssl);
    }
    printf("connected %s %s\n", wolfSSL_get_version(ssl), wolfSSL_get_cipher_name(ssl));
}

static void talk(int fd)
{
    char data[2048];
    char line[1024];
    for (;;) {
        int length = wolfSSL_read(ssl, data, sizeof data);
        if (length > 0) printf("data %.*s\n", length, data);
        if (length > 0) continue;
        if (!is_to_wait(length)) return;
        length = read_line(fd, line, sizeof line);
        if (length < 0) return;
        if (length > 0) wolfSSL_write(ssl, line, length);
    }
}

int main(int count, char **arguments)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    if (count < 4) return 2;
    int port = atoi(arguments[1]);
    configure(port == 0, count < 5, arguments[2], arguments[3]);
    int fd = open_socket(port);
    shake_hands(port == 0, fd);
    talk(fd);
    wolfSSL_shutdown(ssl);
    printf("closed\n");
    return 0;
}
