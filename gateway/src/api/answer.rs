//! Answer to a request: results and errors as JSON, in the form of the request, and the response.

use alloc::vec::Vec;

use stentor_core::HttpResponse;

use super::method::ApiMethod;
use crate::client_protocol::json::writer::ObjectWriter;
use crate::client_protocol::{ErrorCode, InvalidPayload};

const JSON: &str = "application/json";

/// The form of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AnswerForm {
    /// An object with a result or an error.
    Single,
    /// An object with a result, or an error without an object around it and with a status of its own.
    Transport,
    /// A list of results by method, and errors.
    Batch,
    /// A line with a result or an error for each command.
    Lines,
}

/// An answer that grows with each command.
#[derive(Debug)]
pub(super) struct Answer {
    form: AnswerForm,
    status: u16,
    out: Vec<u8>,
    count: u32,
}

impl Answer {
    pub(super) const fn new(form: AnswerForm) -> Self {
        Self {
            form,
            status: 200,
            out: Vec::new(),
            count: 0,
        }
    }

    /// Adds the result of a command, whose fields `fill` writes.
    pub(super) fn succeed(
        &mut self,
        method: ApiMethod,
        fill: impl FnOnce(&mut ObjectWriter<'_>) -> Result<(), InvalidPayload>,
    ) {
        self.separate();
        let start = self.out.len();
        let name = match self.form {
            AnswerForm::Batch => method.name(),
            _ => "result",
        };
        let written = ObjectWriter::write(&mut self.out, |object| object.object(name, fill));
        if written.is_err() {
            self.out.truncate(start);
            self.write_error(ErrorCode::Internal);
        }
    }

    /// Adds the error of a command.
    pub(super) fn fail(&mut self, code: ErrorCode) {
        self.separate();
        self.write_error(code);
    }

    /// Returns the length of what was added, in bytes.
    pub(super) const fn len(&self) -> usize {
        self.out.len()
    }

    fn separate(&mut self) {
        match self.form {
            AnswerForm::Single | AnswerForm::Transport => {}
            AnswerForm::Batch if self.count == 0 => self.out.extend_from_slice(b"{\"replies\":["),
            AnswerForm::Batch => self.out.push(b','),
            AnswerForm::Lines if self.count == 0 => {}
            AnswerForm::Lines => self.out.push(b'\n'),
        }
        self.count += 1;
    }

    fn write_error(&mut self, code: ErrorCode) {
        let is_bare = self.form == AnswerForm::Transport;
        if is_bare {
            self.status = status_of(code);
        }
        // It has no payload.
        let _ = ObjectWriter::write(&mut self.out, |object| match is_bare {
            true => write_error(object, code),
            false => object.object("error", |object| write_error(object, code)),
        });
    }

    /// Returns the response.
    pub(super) fn into_response(self) -> HttpResponse {
        let (status, content) = self.finish();
        HttpResponse::new(status).body(JSON, content)
    }

    fn finish(mut self) -> (u16, Vec<u8>) {
        match self.form {
            AnswerForm::Batch if self.count == 0 => self.out.extend_from_slice(b"{\"replies\":[]}"),
            AnswerForm::Batch => self.out.extend_from_slice(b"]}"),
            _ => {}
        }
        (self.status, self.out)
    }
}

/// Writes the fields of an error.
pub(super) fn write_error(
    object: &mut ObjectWriter<'_>,
    code: ErrorCode,
) -> Result<(), InvalidPayload> {
    object.number("code", code.number());
    object.text("message", code.message());
    Ok(())
}

/// Returns the status that stands for an error.
const fn status_of(code: ErrorCode) -> u16 {
    match code {
        ErrorCode::UnknownChannel | ErrorCode::MethodNotFound => 404,
        ErrorCode::BadRequest | ErrorCode::NotAvailable => 400,
        ErrorCode::UnrecoverablePosition => 416,
        ErrorCode::ConcurrentPagination => 409,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    fn answer(form: AnswerForm, commands: usize) -> (u16, String) {
        let mut answer = Answer::new(form);
        for number in 0..commands {
            if number % 2 == 0 {
                answer.succeed(ApiMethod::Publish, |object| {
                    object.number("offset", 7);
                    Ok(())
                });
            } else {
                answer.fail(ErrorCode::UnknownChannel);
            }
        }
        let (status, content) = answer.finish();
        (status, String::from_utf8(content).expect("JSON is text"))
    }

    #[test]
    fn each_form_has_its_braces() {
        for (form, commands, expected) in [
            (AnswerForm::Single, 1, r#"{"result":{"offset":7}}"#),
            (AnswerForm::Transport, 1, r#"{"result":{"offset":7}}"#),
            (AnswerForm::Batch, 0, r#"{"replies":[]}"#),
            (
                AnswerForm::Batch,
                2,
                r#"{"replies":[{"publish":{"offset":7}},{"error":{"code":102,"message":"unknown channel"}}]}"#,
            ),
            (
                AnswerForm::Lines,
                2,
                concat!(
                    r#"{"result":{"offset":7}}"#,
                    "\n",
                    r#"{"error":{"code":102,"message":"unknown channel"}}"#,
                ),
            ),
        ] {
            assert_eq!(answer(form, commands), (200, expected.into()));
        }
    }

    #[test]
    fn a_payload_that_is_no_json_is_an_error() {
        let mut answer = Answer::new(AnswerForm::Single);
        answer.succeed(ApiMethod::Rpc, |object| object.payload("data", b"\xFF"));
        let expected = br#"{"error":{"code":100,"message":"internal server error"}}"#;
        assert_eq!(answer.finish(), (200, expected.to_vec()));
    }

    #[test]
    fn an_error_of_the_transport_has_a_status() {
        for (code, status) in [
            (ErrorCode::Internal, 500),
            (ErrorCode::UnknownChannel, 404),
            (ErrorCode::MethodNotFound, 404),
            (ErrorCode::BadRequest, 400),
            (ErrorCode::NotAvailable, 400),
            (ErrorCode::UnrecoverablePosition, 416),
            (ErrorCode::ConcurrentPagination, 409),
        ] {
            let mut answer = Answer::new(AnswerForm::Transport);
            answer.fail(code);
            let content = alloc::format!(
                r#"{{"code":{},"message":"{}"}}"#,
                code.number(),
                code.message()
            );
            assert_eq!(answer.finish(), (status, content.into_bytes()));
        }
    }
}
