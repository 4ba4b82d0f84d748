import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import software.amazon.awssdk.core.checksums.RequestChecksumCalculation;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3Configuration;
import software.amazon.awssdk.services.s3.model.ChecksumAlgorithm;
import software.amazon.awssdk.services.s3.model.ChecksumType;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.model.PutObjectRequest;
import software.amazon.awssdk.services.s3.model.UploadPartResponse;
import software.amazon.awssdk.services.s3.presigner.S3Presigner;
import software.amazon.awssdk.utils.BinaryUtils;
import software.amazon.awssdk.utils.Md5Utils;

/** Uploads one object in each payload form that the AWS SDK for Java can be made to use, each under the name of its form. */
public final class Forms {
    private static final int PART_SIZE = 5 << 20;
    private static final URI ENDPOINT = URI.create(System.getenv("FORMS_ENDPOINT"));
    private static final String BUCKET = System.getenv("FORMS_BUCKET");
    private static final String PREFIX = System.getenv("FORMS_PREFIX");
    private static final Region REGION = Region.of(System.getenv("AWS_REGION"));

    private Forms() {}

    public static void main(String[] arguments) throws IOException {
        byte[] body = Files.readAllBytes(Path.of(System.getenv("FORMS_BODY")));
        byte[] large = Files.readAllBytes(Path.of(System.getenv("FORMS_LARGE")));
        try (S3Client usual = client(true, RequestChecksumCalculation.WHEN_SUPPORTED);
                S3Client required = client(true, RequestChecksumCalculation.WHEN_REQUIRED);
                S3Client unchunked = client(false, RequestChecksumCalculation.WHEN_SUPPORTED)) {
            put(usual, "chunks-default", body, request -> {});
            for (ChecksumAlgorithm algorithm :
                    List.of(
                            ChecksumAlgorithm.CRC32,
                            ChecksumAlgorithm.CRC32_C,
                            ChecksumAlgorithm.SHA1,
                            ChecksumAlgorithm.SHA256,
                            ChecksumAlgorithm.SHA512)) {
                String name = algorithm.toString().toLowerCase(Locale.ROOT);
                put(usual, "chunks-" + name, body, request -> request.checksumAlgorithm(algorithm));
                put(unchunked, "hash-" + name, body, request -> request.checksumAlgorithm(algorithm));
            }
            RequestBody stream = RequestBody.fromInputStream(new ByteArrayInputStream(body), body.length);
            usual.putObject(request -> request.bucket(BUCKET).key(PREFIX + "chunks-stream"), stream);
            put(required, "chunks", body, request -> {});
            String md5 = BinaryUtils.toBase64(Md5Utils.computeMD5Hash(body));
            put(required, "chunks-md5", body, request -> request.contentMD5(md5));
            parts(usual, "parts-composite", large, ChecksumAlgorithm.SHA256, ChecksumType.COMPOSITE);
            parts(usual, "parts-full", large, ChecksumAlgorithm.CRC32_C, ChecksumType.FULL_OBJECT);
        }
        presigned("presigned", body);
    }

    private static S3Client client(boolean chunked, RequestChecksumCalculation calculation) {
        return S3Client.builder()
                .endpointOverride(ENDPOINT)
                .region(REGION)
                .forcePathStyle(true)
                .serviceConfiguration(S3Configuration.builder().chunkedEncodingEnabled(chunked).build())
                .requestChecksumCalculation(calculation)
                .overrideConfiguration(override -> override.retryStrategy(retry -> retry.maxAttempts(1)))
                .httpClient(UrlConnectionHttpClient.create())
                .build();
    }

    private static void put(S3Client client, String name, byte[] body, Consumer<PutObjectRequest.Builder> more) {
        client.putObject(request -> more.accept(request.bucket(BUCKET).key(PREFIX + name)), RequestBody.fromBytes(body));
    }

    private static void parts(S3Client client, String name, byte[] large, ChecksumAlgorithm algorithm, ChecksumType type) {
        String key = PREFIX + name;
        String upload = client.createMultipartUpload(
                        request -> request.bucket(BUCKET).key(key).checksumAlgorithm(algorithm).checksumType(type))
                .uploadId();
        CompletedPart first = part(client, key, upload, 1, Arrays.copyOfRange(large, 0, PART_SIZE), algorithm);
        CompletedPart second = part(client, key, upload, 2, Arrays.copyOfRange(large, PART_SIZE, large.length), algorithm);
        client.completeMultipartUpload(request -> request.bucket(BUCKET)
                .key(key)
                .uploadId(upload)
                .checksumType(type)
                .multipartUpload(done -> done.parts(first, second)));
    }

    private static CompletedPart part(
            S3Client client, String key, String upload, int number, byte[] bytes, ChecksumAlgorithm algorithm) {
        UploadPartResponse answer = client.uploadPart(
                request -> request.bucket(BUCKET).key(key).uploadId(upload).partNumber(number).checksumAlgorithm(algorithm),
                RequestBody.fromBytes(bytes));
        return CompletedPart.builder()
                .partNumber(number)
                .eTag(answer.eTag())
                .checksumCRC32C(answer.checksumCRC32C())
                .checksumSHA256(answer.checksumSHA256())
                .build();
    }

    private static void presigned(String name, byte[] body) throws IOException {
        try (S3Presigner presigner = S3Presigner.builder()
                .endpointOverride(ENDPOINT)
                .region(REGION)
                .serviceConfiguration(S3Configuration.builder().pathStyleAccessEnabled(true).build())
                .build()) {
            var signed = presigner.presignPutObject(presign -> presign.signatureDuration(Duration.ofMinutes(1))
                    .putObjectRequest(request -> request.bucket(BUCKET).key(PREFIX + name)));
            HttpURLConnection connection = (HttpURLConnection) signed.url().openConnection();
            connection.setRequestMethod("PUT");
            connection.setDoOutput(true);
            connection.setFixedLengthStreamingMode(body.length);
            connection.getOutputStream().write(body);
            if (connection.getResponseCode() != 200) {
                throw new IOException(name + ": status " + connection.getResponseCode());
            }
        }
    }
}
