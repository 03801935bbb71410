import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Verifies a Warikan webhook (Standard Webhooks) with Java 17's own classes: {@code v1} with the endpoint's secret
 * ({@code whsec_..}), or {@code v1a} with its public key ({@code whpk_..}). Call it with the octets of the request's body as they
 * came, before any parsing.
 */
public final class Verify {
    private static final long TOLERANCE_SECONDS = 300;
    /** An Ed25519 SubjectPublicKeyInfo (RFC 8410) up to the key. */
    private static final byte[] SPKI = HexFormat.of().parseHex("302a300506032b6570032100");

    private Verify() {}

    /** Whether the request is genuine and fresh. Header names in lower case. */
    public static boolean verify(String key, Map<String, String> headers, byte[] body, long now)
            throws GeneralSecurityException {
        String id = headers.getOrDefault("webhook-id", "");
        String timestamp = headers.getOrDefault("webhook-timestamp", "");
        if (id.isEmpty() || !timestamp.matches("[0-9]{1,18}")) {
            return false;
        }
        if (Math.abs(now - Long.parseLong(timestamp)) > TOLERANCE_SECONDS) {
            return false;
        }
        byte[] content = join((id + "." + timestamp + ".").getBytes(StandardCharsets.UTF_8), body);
        boolean asymmetric = key.startsWith("whpk_");
        byte[] octets = Base64.getDecoder().decode(key.replaceFirst("^wh(sec|pk)_", ""));
        for (String signature : headers.getOrDefault("webhook-signature", "").split(" ")) {
            String[] parts = signature.split(",", 2);
            if (parts.length != 2 || !parts[0].equals(asymmetric ? "v1a" : "v1")) {
                continue;
            }
            byte[] sent;
            try {
                sent = Base64.getDecoder().decode(parts[1]);
            } catch (IllegalArgumentException notBase64) {
                continue;
            }
            if (asymmetric ? ed25519(octets, content, sent) : hmac(octets, content, sent)) {
                return true;
            }
        }
        return false;
    }

    private static boolean hmac(byte[] key, byte[] content, byte[] sent) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return MessageDigest.isEqual(mac.doFinal(content), sent);
    }

    private static boolean ed25519(byte[] key, byte[] content, byte[] sent) throws GeneralSecurityException {
        PublicKey publicKey =
                KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(join(SPKI, key)));
        Signature verifier = Signature.getInstance("Ed25519");
        verifier.initVerify(publicKey);
        verifier.update(content);
        return sent.length == 64 && verifier.verify(sent);
    }

    private static byte[] join(byte[] first, byte[] second) {
        byte[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }

    /** {@code java Verify.java <key> <webhook-id> <webhook-timestamp> <webhook-signature> [now]}, the body on standard input. */
    public static void main(String[] args) throws Exception {
        Map<String, String> headers =
                Map.of("webhook-id", args[1], "webhook-timestamp", args[2], "webhook-signature", args[3]);
        long now = args.length > 4 ? Long.parseLong(args[4]) : System.currentTimeMillis() / 1000;
        System.exit(verify(args[0], headers, System.in.readAllBytes(), now) ? 0 : 1);
    }
}
