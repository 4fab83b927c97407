/* SPDX-License-Identifier: Apache-2.0 */
import io.openlineage.client.utils.DatasetIdentifier;
import io.openlineage.client.utils.UUIDUtils;
import io.openlineage.client.utils.filesystem.FilesystemDatasetUtils;
import io.openlineage.client.utils.jdbc.JdbcDatasetUtils;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Properties;

/**
 * What openlineage-java calls things. One question a line, its words parted by tabs; one answer a line:
 * "id INSTANT DATA" a UUID, "location URI" and "table CONNECTION TABLE" name space, tab, name.
 */
public final class Names {
    private static String show(DatasetIdentifier id) {
        return id.getNamespace() + "\t" + id.getName();
    }

    private static String answer(String[] words) throws Exception {
        switch (words[0]) {
            case "id":
                return UUIDUtils.generateStaticUUID(
                        Instant.parse(words[1]), words[2].getBytes(StandardCharsets.UTF_8)).toString();
            case "location":
                return show(FilesystemDatasetUtils.fromLocation(new URI(words[1])));
            case "table":
                return show(JdbcDatasetUtils.getDatasetIdentifier(words[1], words[2], new Properties()));
            default:
                throw new IllegalArgumentException(words[0]);
        }
    }

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            System.out.println(answer(line.split("\t")));
        }
    }
}
