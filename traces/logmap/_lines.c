/* The lines of a cluster.log that begin as they always do, read in compiled code.

   Owns one function that goes over a block once: lines with an untouched beginning and a message
   that is known and does not go on in the next line become columns, other lines that the mapping may look at are named, all others
   counted. It holds no state, and what it is in doubt about it leaves to rhscheck.traces.logmap.read,
   which reads every line and gives the same answers where this module was not built. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>
#include "../_objects.h"

/* `PPPPPPPP.TTTTTTTT::YYYY/MM/DD-hh:mm:ss.mmm LEVEL [COM]`: where the parts of a line begin. */
enum { STAMP = 19, MINUTE = 17, LEAD = 43, COMPONENT = 49 };
enum { MOST_TEXTS = 16, MOST_PROCESSES = 8 };

typedef struct {
    const unsigned char *text;
    Py_ssize_t size;
    Py_ssize_t at;   /* where in it the shared sign is */
    Py_ssize_t next; /* of those without: where it stands next */
    unsigned char skip[256];
} Text;

typedef struct {
    unsigned char digits[8];
    PyObject *number;
} Process;

typedef struct {
    const unsigned char *data;
    Py_ssize_t size;
    Text shared[MOST_TEXTS], others[MOST_TEXTS], components[MOST_TEXTS];
    int shared_count, others_count, component_count;
    int sign;
    Py_ssize_t next_shared;
    Process processes[MOST_PROCESSES];
    int process_count;
    unsigned char minute[MINUTE];
    long long minute_us;
} Pass;

static int
hex_value(unsigned char sign)
{
    if (sign >= '0' && sign <= '9')
        return sign - '0';
    sign |= 0x20;
    return sign >= 'a' && sign <= 'f' ? sign - 'a' + 10 : -1;
}

/* The number of `count` decimal digits, -1 if there are others. */
static int
decimal(const unsigned char *text, int count)
{
    int number = 0;
    for (int at = 0; at < count; at++) {
        if (text[at] < '0' || text[at] > '9')
            return -1;
        number = number * 10 + (text[at] - '0');
    }
    return number;
}

/* Eight hexadecimal digits; -1 if they are not. */
static long long
process_number(const unsigned char *text)
{
    long long number = 0;
    for (int at = 0; at < 8; at++) {
        int digit = hex_value(text[at]);
        if (digit < 0)
            return -1;
        number = number * 16 + digit;
    }
    return number;
}

/* Microseconds since 1970 of `YYYY/MM/DD-hh:mm:`, -1 where somebody else has to look at it. */
static long long
minute_micros(const unsigned char *text)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = decimal(text, 4), month = decimal(text + 5, 2), day = decimal(text + 8, 2);
    int hour = decimal(text + 11, 2), minute = decimal(text + 14, 2);
    if (text[4] != '/' || text[7] != '/' || text[10] != '-' || text[13] != ':' || text[16] != ':')
        return -1;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || hour < 0 || hour > 23 || minute < 0
        || minute > 59)
        return -1;
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > lengths[month - 1] + (month == 2 && leap))
        return -1;
    long long before = year - 1;
    long long days = before * 365 + before / 4 - before / 100 + before / 400 - 719162 + day - 1;
    for (int passed = 0; passed < month - 1; passed++)
        days += lengths[passed] + (passed == 1 && leap);
    return ((days * 24 + hour) * 60 + minute) * 60000000LL;
}

/* The time of `YYYY/MM/DD-hh:mm:ss.mmm ` and its whole second; -1 as above. */
static long long
stamp_micros(Pass *pass, const unsigned char *text, long long *second_us)
{
    if (memcmp(text, pass->minute, MINUTE) != 0) {
        long long found = minute_micros(text);
        if (found < 0)
            return -1;
        memcpy(pass->minute, text, MINUTE);
        pass->minute_us = found;
    }
    int second = decimal(text + 17, 2), millis = decimal(text + 20, 3);
    if (second < 0 || second > 59 || millis < 0 || text[19] != '.' || text[23] != ' ')
        return -1;
    *second_us = pass->minute_us + second * 1000000LL;
    return *second_us + millis * 1000LL;
}

/* The process as a number: a new reference; NULL without an exception if it is none. */
static PyObject *
process_of(Pass *pass, const unsigned char *digits)
{
    for (int at = 0; at < pass->process_count; at++) {
        if (memcmp(pass->processes[at].digits, digits, 8) == 0)
            return Py_NewRef(pass->processes[at].number);
    }
    long long number = process_number(digits);
    if (number < 0)
        return NULL;
    PyObject *made = PyLong_FromLongLong(number);
    if (made != NULL && pass->process_count < MOST_PROCESSES) {
        Process *kept = &pass->processes[pass->process_count++];
        memcpy(kept->digits, digits, 8);
        kept->number = Py_NewRef(made);
    }
    return made;
}

/* Whether the text stands here; most texts differ from most lines in their first two signs. */
static inline int
stands_at(const unsigned char *data, const Text *one)
{
    return data[0] == one->text[0] && (one->size == 1 || data[1] == one->text[1])
           && memcmp(data, one->text, one->size) == 0;
}

/* Where a text with the shared sign begins, from `start` on; the end if none does. */
static Py_ssize_t
find_shared(const Pass *pass, Py_ssize_t start)
{
    Py_ssize_t at = start;
    while (at < pass->size) {
        const unsigned char *found = memchr(pass->data + at, pass->sign, pass->size - at);
        if (found == NULL)
            break;
        at = found - pass->data;
        for (int number = 0; number < pass->shared_count; number++) {
            const Text *one = &pass->shared[number];
            Py_ssize_t begin = at - one->at;
            if (begin >= start && one->size <= pass->size - begin
                && stands_at(pass->data + begin, one))
                return begin;
        }
        at++;
    }
    return pass->size;
}

/* Where the text begins, from `start` on; the end if it does not (Horspool, 1980). */
static Py_ssize_t
find_other(const Pass *pass, const Text *one, Py_ssize_t start)
{
    Py_ssize_t last = one->size - 1;
    for (Py_ssize_t at = start + last; at < pass->size; at += one->skip[pass->data[at]]) {
        if (pass->data[at] == one->text[last]
            && memcmp(pass->data + at - last, one->text, last) == 0)
            return at - last;
    }
    return pass->size;
}

/* Whether the line from `begin` to `end` holds one of the texts. Lines are asked in their order. */
static int
is_wanted(Pass *pass, Py_ssize_t begin, Py_ssize_t end)
{
    if (pass->shared_count) {
        if (pass->next_shared < begin)
            pass->next_shared = find_shared(pass, begin);
        if (pass->next_shared < end)
            return 1;
    }
    for (int number = 0; number < pass->others_count; number++) {
        Text *one = &pass->others[number];
        if (one->next < begin)
            one->next = find_other(pass, one, begin);
        if (one->next < end)
            return 1;
    }
    return 0;
}

/* Whether the line begins as it should, with a component; its time and process. */
static int
begins_as_usual(
    Pass *pass, const unsigned char *line, Py_ssize_t length, long long *time_us,
    long long *second_us, PyObject **process)
{
    int known = 0;
    for (int number = 0; number < pass->component_count && !known; number++) {
        const Text *one = &pass->components[number];
        known = length >= COMPONENT + one->size
                && stands_at(line + COMPONENT, one);
    }
    if (!known || line[8] != '.' || line[17] != ':' || line[18] != ':'
        || process_number(line + 9) < 0)
        return 0;
    *time_us = stamp_micros(pass, line + STAMP, second_us);
    if (*time_us < 0)
        return 0;
    *process = process_of(pass, line);
    return *process != NULL;
}

/* Whether nothing stands in the line from `begin` on that may continue the line before: a record
   begins there, it is empty, or there is none. `read._ENDS` says the same. */
static int
begins_another(const Pass *pass, Py_ssize_t begin)
{
    const unsigned char *line = pass->data + begin;
    Py_ssize_t size = pass->size - begin;
    if (size <= 0 || line[0] == '\n' || (line[0] == '\r' && (size == 1 || line[1] == '\n')))
        return 1;
    if (size > STAMP && line[8] == '.' && line[17] == ':' && line[18] == ':' && line[19] >= '0'
        && line[19] <= '9' && memchr(line, '\n', STAMP) == NULL)
        return 1;
    Py_ssize_t at = 0;
    for (int number = 0; number < 2; number++) {
        Py_ssize_t start = at;
        while (at < size && at - start < 9 && hex_value(line[at]) >= 0)
            at++;
        if (at - start < 1 || at - start > 8 || at >= size || line[at] != ".:"[number])
            return 0;
        at++;
    }
    return size - at >= 2 && line[at] == ':' && line[at + 1] >= '0' && line[at + 1] <= '9';
}

/* Texts of a tuple of bytes, or of (bytes, place of the sign); how many, -1 with an exception. */
static int
take_texts(PyObject *given, Text *texts, int with_sign)
{
    Py_ssize_t count = PyTuple_GET_SIZE(given);
    if (count > MOST_TEXTS) {
        PyErr_SetString(PyExc_ValueError, "too many texts");
        return -1;
    }
    for (Py_ssize_t number = 0; number < count; number++) {
        Text *one = &texts[number];
        PyObject *item = PyTuple_GET_ITEM(given, number);
        const char *text;
        if (with_sign) {
            if (!PyTuple_Check(item)) {
                PyErr_SetString(PyExc_TypeError, "pairs are wanted");
                return -1;
            }
            if (!PyArg_ParseTuple(item, "y#n", &text, &one->size, &one->at))
                return -1;
        }
        else {
            char *bytes;
            if (PyBytes_AsStringAndSize(item, &bytes, &one->size) < 0)
                return -1;
            text = bytes;
            one->at = 0;
        }
        if (one->size < 1 || one->size > 255 || one->at < 0 || one->at >= one->size) {
            PyErr_SetString(PyExc_ValueError, "a text of 1 to 255 bytes is wanted");
            return -1;
        }
        one->text = (const unsigned char *)text;
        one->next = -1;
        memset(one->skip, (int)one->size, sizeof one->skip);
        for (Py_ssize_t at = 0; at < one->size - 1; at++)
            one->skip[one->text[at]] = (unsigned char)(one->size - 1 - at);
    }
    return (int)count;
}

/* The pass over the block; -1 with an exception, 0 if it has to be read line by line, else 1.
   `count`: of its lines. */
static int
go_over(
    Pass *pass, PyObject *known, PyObject *find, Py_ssize_t first, PyObject *lines,
    PyObject *times, PyObject *processes, PyObject *readings, PyObject *odd, int *rising,
    Py_ssize_t *count)
{
    long long latest = -1;
    Py_ssize_t number = first;
    for (Py_ssize_t begin = 0, end; begin < pass->size; begin = end + 1, number++) {
        const unsigned char *line = pass->data + begin;
        const unsigned char *feed = memchr(line, '\n', pass->size - begin);
        end = feed == NULL ? pass->size : feed - pass->data;
        Py_ssize_t length = end - begin;
        if ((length >= 3 && memcmp(line, "...", 3) == 0)
            || (length >= 4 && memcmp(line, "[===", 4) == 0))
            return 0;
        long long time_us = 0, second_us = 0;
        PyObject *process = NULL;
        if (begins_as_usual(pass, line, length, &time_us, &second_us, &process)) {
            PyObject *key = PyBytes_FromStringAndSize((const char *)line + LEAD, length - LEAD);
            PyObject *reading = NULL;
            if (key != NULL) {
                reading = Py_XNewRef(PyDict_GetItemWithError(known, key));
                if (reading == NULL && !PyErr_Occurred())
                    reading = PyObject_CallOneArg(find, key);
                Py_DECREF(key);
            }
            if (reading == NULL) {
                Py_DECREF(process);
                return -1;
            }
            if (reading != Py_None && begins_another(pass, end + 1)) {
                int failed = PyList_Append(readings, reading) < 0
                             || PyList_Append(processes, process) < 0;
                Py_DECREF(reading);
                Py_DECREF(process);
                if (failed || append_new(lines, PyLong_FromSsize_t(number)) < 0
                    || append_new(times, PyLong_FromLongLong(time_us)) < 0)
                    return -1;
                if (second_us < latest)
                    *rising = 0;
                else
                    latest = second_us;
                continue;
            }
            Py_DECREF(reading);
            Py_DECREF(process);
        }
        else if (PyErr_Occurred())
            return -1;
        else if (!is_wanted(pass, begin, end))
            continue;
        if (append_new(
                odd, Py_BuildValue("(nnnn)", PyList_GET_SIZE(lines), begin, end, number)) < 0)
            return -1;
    }
    *count = number - first;
    return 1;
}

PyDoc_STRVAR(
    usual_doc,
    "usual(data, first, sign, shared, others, components, known, find, /)\n--\n\n"
    "Go over `data`, whole lines of a cluster.log of which the first is line `first`.\n\n"
    "`shared`: texts with the place of `sign` (a byte) in each, `others`: texts without it; a\n"
    "line that holds none of them is only counted. `components`: those of usual lines. `known`\n"
    "(a dict) and then `find` say what level and message stand for; None: nobody knows.\n"
    "None: `data` has to be read line by line. Else (lines, times, processes, readings, odd,\n"
    "rising, count): usual lines in columns; of others how many usual ones come before, where they\n"
    "begin and end, and their line; whether no usual line is a second or more before an earlier\n"
    "one; and how many lines there are.");

static PyObject *
usual(PyObject *module, PyObject *args)
{
    PyObject *data, *shared, *others, *components, *known, *find, *result = NULL;
    Py_ssize_t first, count = 0;
    int sign;
    if (!PyArg_ParseTuple(
            args, "SniO!O!O!O!O:usual", &data, &first, &sign, &PyTuple_Type, &shared,
            &PyTuple_Type, &others, &PyTuple_Type, &components, &PyDict_Type, &known, &find))
        return NULL;
    Pass *pass = PyMem_Calloc(1, sizeof(Pass));
    if (pass == NULL)
        return PyErr_NoMemory();
    pass->data = (const unsigned char *)PyBytes_AS_STRING(data);
    pass->size = PyBytes_GET_SIZE(data);
    pass->sign = sign & 0xff;
    pass->next_shared = -1;
    pass->minute[0] = 'x'; /* as no minute begins */
    PyObject *columns[5] = {NULL};
    int rising = 1;
    if ((pass->shared_count = take_texts(shared, pass->shared, 1)) < 0
        || (pass->others_count = take_texts(others, pass->others, 0)) < 0
        || (pass->component_count = take_texts(components, pass->components, 0)) < 0)
        goto done;
    for (int at = 0; at < 5; at++) {
        if ((columns[at] = PyList_New(0)) == NULL)
            goto done;
    }
    switch (go_over(
        pass, known, find, first, columns[0], columns[1], columns[2], columns[3], columns[4],
        &rising, &count)) {
    case 0:
        result = Py_NewRef(Py_None);
        break;
    case 1:
        result = Py_BuildValue(
            "(OOOOOOn)", columns[0], columns[1], columns[2], columns[3], columns[4],
            rising ? Py_True : Py_False, count);
        break;
    default:
        break;
    }
done:
    for (int at = 0; at < 5; at++)
        Py_XDECREF(columns[at]);
    for (int at = 0; at < pass->process_count; at++)
        Py_DECREF(pass->processes[at].number);
    PyMem_Free(pass);
    return result;
}

static PyMethodDef methods[] = {
    {"usual", usual, METH_VARARGS, usual_doc},
    {NULL, NULL, 0, NULL},
};

/* Changes whenever what `usual` takes or gives does: see rhscheck.traces.logmap.compiled. */
static int
set_revision(PyObject *module)
{
    return PyModule_AddIntConstant(module, "REVISION", 2);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, set_revision},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_lines",
    .m_doc = "The lines of a cluster.log that begin as they always do, read in compiled code.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__lines(void)
{
    return PyModuleDef_Init(&definition);
}
