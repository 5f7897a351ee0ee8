//! What goes over the wire.

mod accounts;
mod holds;
mod payments;
mod receipts;
mod reconciliations;
mod transfers;
mod webhooks;

pub(super) use accounts::{
    AccountBody, AccountListBody, AccountPatchBody, BalanceBody, EntryListBody, NewAccountBody, StatementBody,
};
pub(super) use holds::{CaptureBody, HoldBody, HoldListBody, NewHoldBody, SettledHoldBody, VoidBody};
pub(super) use payments::{NewPaymentBody, NewRefundBody, PaymentBody, PaymentListBody, RefundBody};
pub(super) use receipts::ReceiptBody;
pub(super) use reconciliations::{
    BreakBody, BreakListBody, ReconciliationBody, ReconciliationListBody, ResolutionBody,
};
pub(super) use transfers::{
    BatchTransferBody, NewTransactionBody, NewTransferBody, ReversalBody, TransferBody,
};
pub(super) use webhooks::{
    DeliveryBody, DeliveryListBody, EndpointBody, EndpointListBody, EndpointPatchBody, EndpointSecretBody,
    NewEndpointBody,
};
