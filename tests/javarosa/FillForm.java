/*
 * Fills a form as ODK Collect does: JavaRosa is its engine, and ODK_Validate.jar carries it.
 * Arguments: form.xml, the folder of the lists beside it, the file to write the instance to.
 * Standard input, one step a line, parts separated by tabs; each step is answered by one line:
 *   set PATH VALUE       ok | required | constraint MESSAGE | irrelevant | not-offered
 *   clear PATH           ok | required | irrelevant
 *   repeat PATH          ok            one more row of the repeat
 *   value PATH           value TEXT
 *   choices PATH         choices a b c (tabs) | irrelevant
 *   asks PATH            yes | no      whether the question is on the way through the form
 *   language NAME        ok
 *   label PATH           label TEXT    as the worker reads it
 *   end                  the instance is written; complete | incomplete PATH: what Collect says when it finalises
 * Knows nothing of Namjai.
 */
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import org.javarosa.core.model.*;
import org.javarosa.core.model.data.*;
import org.javarosa.core.model.data.helper.Selection;
import org.javarosa.core.model.instance.*;
import org.javarosa.core.reference.*;
import org.javarosa.core.services.PrototypeManager;
import org.javarosa.core.util.JavaRosaCoreModule;
import org.javarosa.form.api.*;
import org.javarosa.model.xform.*;
import org.javarosa.xform.util.*;

public class FillForm {
    private static FormDef form;
    private static FormEntryController entry;

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        System.setOut(System.err);
        PrototypeManager.registerPrototypes(JavaRosaCoreModule.classNames);
        PrototypeManager.registerPrototypes(CoreModelModule.classNames);
        new XFormsModule().registerModule();
        org.javarosa.core.services.PropertyManager.setPropertyManager(new Tablet());
        ReferenceManager.instance().addReferenceFactory(new FilesBeside(args[1]));
        form = XFormUtils.getFormFromInputStream(new FileInputStream(args[0]));
        entry = new FormEntryController(new FormEntryModel(form));
        form.initialize(true, new InstanceInitializationFactory());
        BufferedReader steps = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = steps.readLine()) != null; ) {
            String[] part = line.split("\t", -1);
            if (part[0].equals("end")) {
                out.println(finish(args[2]));
                return;
            }
            out.println(step(part).replace("\n", " "));
        }
    }

    private static String step(String[] part) throws Exception {
        switch (part[0]) {
            case "set": return answer(part[1], part[2].replace("\\n", "\n"));
            case "clear": return answer(part[1], null);
            case "repeat": return more(part[1]);
            case "value": return "value\t" + value(part[1]);
            case "choices": return choices(part[1]);
            case "asks": return find(part[1]) == null ? "no" : "yes";
            case "language": entry.setLanguage(part[1]); return "ok";
            case "label": {
                FormIndex at = find(part[1]);
                return at == null ? "irrelevant" : "label\t" + entry.getModel().getQuestionPrompt(at).getLongText();
            }
            default: throw new IllegalArgumentException(part[0]);
        }
    }

    private static String answer(String path, String text) {
        FormIndex at = find(path);
        if (at == null) return "irrelevant";
        FormEntryPrompt prompt = entry.getModel().getQuestionPrompt(at);
        IAnswerData data = null;
        if (text != null) {
            if (prompt.getControlType() == org.javarosa.core.model.Constants.CONTROL_SELECT_ONE) {
                Selection one = offered(prompt, text);
                if (one == null) return "not-offered";
                data = new SelectOneData(one);
            } else if (prompt.getControlType() == org.javarosa.core.model.Constants.CONTROL_SELECT_MULTI) {
                List<Selection> several = new ArrayList<>();
                for (String value : text.split(" ")) {
                    Selection one = offered(prompt, value);
                    if (one == null) return "not-offered";
                    several.add(one);
                }
                data = new SelectMultiData(several);
            } else {
                data = XFormAnswerDataParser.getAnswerData(text, prompt.getDataType(), prompt.getQuestion());
            }
        }
        int result = entry.answerQuestion(at, data, true);
        if (result == FormEntryController.ANSWER_REQUIRED_BUT_EMPTY) {
            // Collect keeps what is cleared, and asks again only when the worker goes on.
            entry.saveAnswer(at, data, true);
            return "required";
        }
        if (result == FormEntryController.ANSWER_CONSTRAINT_VIOLATED) {
            return "constraint\t" + prompt.getConstraintText(data);
        }
        return "ok";
    }

    private static Selection offered(FormEntryPrompt prompt, String value) {
        for (SelectChoice choice : prompt.getSelectChoices()) {
            if (choice.getValue().equals(value)) return new Selection(choice);
        }
        return null;
    }

    private static String choices(String path) {
        FormIndex at = find(path);
        if (at == null) return "irrelevant";
        StringBuilder text = new StringBuilder("choices");
        FormEntryPrompt prompt = entry.getModel().getQuestionPrompt(at);
        for (SelectChoice choice : prompt.getSelectChoices()) {
            text.append("\t").append(choice.getValue()).append("=").append(prompt.getSelectChoiceText(choice));
        }
        return text.toString();
    }

    private static String more(String path) {
        FormEntryModel model = entry.getModel();
        for (entry.jumpToIndex(FormIndex.createBeginningOfFormIndex()); model.getEvent() != FormEntryController.EVENT_END_OF_FORM; entry.stepToNextEvent()) {
            if (model.getEvent() == FormEntryController.EVENT_PROMPT_NEW_REPEAT && plain(model.getFormIndex()).replaceAll("\\[\\d+\\]$", "").equals(path)) {
                entry.newRepeat(model.getFormIndex());
                return "ok";
            }
        }
        return "irrelevant";
    }

    /** The question with that path, met on the way through the form; null when it is never asked. */
    private static FormIndex find(String path) {
        FormEntryModel model = entry.getModel();
        for (entry.jumpToIndex(FormIndex.createBeginningOfFormIndex()); model.getEvent() != FormEntryController.EVENT_END_OF_FORM; entry.stepToNextEvent()) {
            if (model.getEvent() == FormEntryController.EVENT_QUESTION && plain(model.getFormIndex()).equals(path)) return model.getFormIndex();
        }
        return null;
    }

    /** /data/people[2]/relation[1] as people[2]/relation. */
    private static String plain(FormIndex index) {
        TreeReference reference = index.getReference();
        StringBuilder text = new StringBuilder();
        for (int level = 1; level < reference.size(); level++) {
            if (level > 1) text.append("/");
            text.append(reference.getName(level));
            TreeReference here = reference.getSubReference(level);
            TreeElement element = form.getMainInstance().getTemplatePath(here.genericize());
            if (element != null && element.isRepeatable()) text.append("[").append(reference.getMultiplicity(level) + 1).append("]");
        }
        return text.toString();
    }

    private static String value(String path) {
        AbstractTreeElement<?> node = form.getMainInstance().getRoot();
        for (String step : path.split("/")) {
            String name = step.replaceAll("\\[.*", "");
            if (name.startsWith("@")) {
                String attribute = node.getAttributeValue(null, name.substring(1));
                return attribute == null ? "" : attribute;
            }
            int position = step.contains("[") ? Integer.parseInt(step.replaceAll(".*\\[(\\d+)\\]", "$1")) - 1 : 0;
            node = node.getChild(name, position);
            if (node == null) return "";
        }
        IAnswerData data = ((TreeElement) node).getValue();
        return data == null ? "" : data.uncast().getString();
    }

    private static String finish(String path) throws Exception {
        entry.finalizeFormEntry();
        ValidateOutcome outcome = form.validate(true);
        byte[] written = new XFormSerializingVisitor().serializeInstance(form.getMainInstance());
        Files.write(Paths.get(path), written);
        return outcome == null || outcome.outcome == FormEntryController.ANSWER_OK ? "complete" : "incomplete\t" + plain(outcome.failedPrompt);
    }

    /** What a tablet says of itself. */
    private static final class Tablet implements org.javarosa.core.services.IPropertyManager {
        public String getSingularProperty(String name) { return name.equals("deviceid") ? "collect:test" : ""; }
        public List<String> getProperty(String name) { return Collections.singletonList(getSingularProperty(name)); }
        public void setProperty(String name, String value) { }
        public void setProperty(String name, List<String> values) { }
        public void addRules(org.javarosa.core.services.properties.IPropertyRules rules) { }
        public List<org.javarosa.core.services.properties.IPropertyRules> getRules() { return Collections.emptyList(); }
    }

    /** jr://file-csv/survivors.csv and its kind: a file of that name in one folder. */
    private static final class FilesBeside extends PrefixedRootFactory {
        private final String folder;

        FilesBeside(String folder) {
            super(new String[] {"file/", "file-csv/", "images/", "audio/", "video/"});
            this.folder = folder;
        }

        @Override
        protected Reference factory(String terminal, String uri) {
            return new InFolder(new File(folder, terminal.substring(terminal.lastIndexOf('/') + 1)), uri);
        }
    }

    private static final class InFolder implements Reference {
        private final File file;
        private final String uri;

        InFolder(File file, String uri) {
            this.file = file;
            this.uri = uri;
        }

        public boolean doesBinaryExist() { return file.exists(); }
        public InputStream getStream() throws IOException { return new FileInputStream(file); }
        public String getURI() { return uri; }
        public String getLocalURI() { return file.getAbsolutePath(); }
        public boolean isReadOnly() { return true; }
        public OutputStream getOutputStream() { throw new UnsupportedOperationException(); }
        public void remove() { throw new UnsupportedOperationException(); }
        public Reference[] probeAlternativeReferences() { return new Reference[0]; }
    }
}
