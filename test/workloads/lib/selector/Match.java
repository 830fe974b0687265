import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Prints, for each pattern, which names it takes: as Kafka Connect and MirrorMaker ask, in full; `?` where a search differs. */
public class Match {
  public static void main(String[] paths) throws Exception {
    List<String> names = Files.readAllLines(Path.of(paths[1]));
    for (String text : Files.readAllLines(Path.of(paths[0]))) {
      Pattern pattern = Pattern.compile(text);
      StringBuilder row = new StringBuilder();
      for (String name : names) {
        Matcher matcher = pattern.matcher(name);
        boolean taken = matcher.matches();
        row.append(matcher.reset().find() == taken ? (taken ? '1' : '0') : '?');
      }
      System.out.println(row);
    }
  }
}
